"""How all lessons become one site, from the outputs that the notebooks hold; `build` runs it."""

project = "initlab"
author = "the initlab developers"
html_title = "initlab"
language = "en"

extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["**/.*"]
nb_execution_mode = "off"  # what is shown is what the tests compare
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # notebooks 00 to 12 each start their own headings

mathjax_path = "tex-svg-full.js"  # `build` puts it there, so that no page asks another host
html_static_path = ["_static"]
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
