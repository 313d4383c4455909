"""How the report looks, beside what all pages have."""

STYLE = """
th{overflow-wrap:break-word}
td{white-space:nowrap}
th:first-child{min-width:6em;max-width:14em}
thead th{font-weight:600;min-width:4.2em}
code{overflow-wrap:anywhere}
.shade{display:block;padding:.1em .3em}
figure{margin:.6em 0;max-width:560px}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:currentColor}
svg .grid{stroke:var(--line);stroke-width:.6}
@media print{
:root{color-scheme:light}
main{max-width:none}
.wide{overflow:visible}
table{font-size:7.5pt}
th,td{padding:.15em .3em}
thead th{min-width:0}
figure,tr{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
"""CSS without anything from elsewhere."""
