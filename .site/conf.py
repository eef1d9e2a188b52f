"""How lessons and reference become one site; `build` runs it."""

project = "initlab"
author = "the initlab developers"
html_title = "initlab"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["**/.*"]
nb_execution_mode = "off"  # what is shown is what the tests compare
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # each notebook starts its own headings
autodoc_member_order = "bysource"
default_role = "literal"
autodoc_typehints = "none"  # the docstrings say what an argument may be
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

mathjax_path = "tex-svg-full.js"  # `build` puts it there, so that no page asks another host
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
