"""How the report looks: on a screen of any width, dark or light, and on paper."""

STYLE = """
:root{color-scheme:light dark;--line:#8886;--dim:#777;--warn:#d55e00}
body{margin:0;font:16px/1.45 system-ui,sans-serif}
main{max-width:1000px;margin:auto;padding:12px}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:1.8em}h3{font-size:1em;margin:1.2em 0 .4em}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.86em;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid var(--line);padding:.25em .6em;text-align:right;vertical-align:top}
th{overflow-wrap:break-word}
td{white-space:nowrap}
th:first-child{text-align:left;min-width:6em;max-width:14em}
thead th{font-weight:600;min-width:4.2em}
tbody th{font-weight:400}
small,.small{font-size:.85em;color:var(--dim)}
code{overflow-wrap:anywhere}
.warning{border-left:4px solid var(--warn);padding:.2em .7em;margin:.6em 0}
.shade{display:block;padding:.1em .3em}
figure{margin:.6em 0;max-width:560px}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:currentColor}
svg .grid{stroke:var(--line);stroke-width:.6}
img{max-width:100%;height:auto}
footer{margin:2.5em 0 1em;color:var(--dim);font-size:.85em}
@media print{
:root{color-scheme:light}
main{max-width:none}
.wide{overflow:visible}
table{font-size:7.5pt}
th,td{padding:.15em .3em}
thead th{min-width:0}
section,figure,tr{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
"""CSS without anything from elsewhere."""
