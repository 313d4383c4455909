"""What a module file finds at Slicer's start, as stand-ins that import nothing: what it costs is its own.

Executed in a fresh process, before the module file is imported.
"""

STAND_INS = """
import sys, types

def module(name, **members):
    sys.modules[name] = made = types.ModuleType(name)
    made.__dict__.update(members)
    return made

slicer = module("slicer")
module("vtk")
module("qt")
module("slicer.i18n", tr=str, translate=lambda context, text: text)
names = ["ScriptedLoadableModule" + part for part in ("", "Logic", "Test", "Widget")]
module("slicer.ScriptedLoadableModule", **{name: type(name, (), {}) for name in names})
module("slicer.util", VTKObservationMixin=type("VTKObservationMixin", (), {}))
"""
