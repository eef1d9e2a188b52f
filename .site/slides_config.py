"""How `slides` asks nbconvert for slides: their content, their size, nothing from another host."""

import sys

sys.path.insert(0, ".site")
from lecture import Lecture

c = get_config()  # noqa: F821 (nbconvert puts it there)

HERE = "node_modules"  # beside the slides
c.SlidesExporter.reveal_url_prefix = f"{HERE}/reveal.js"
c.SlidesExporter.mathjax_url = f"{HERE}/mathjax/MathJax.js?config=TeX-AMS_CHTML-full,Safe"
c.SlidesExporter.require_js_url = f"{HERE}/requirejs/require.js"
c.SlidesExporter.jquery_url = f"{HERE}/jquery/dist/jquery.min.js"
c.SlidesExporter.font_awesome_url = f"{HERE}/font-awesome/css/font-awesome.css"

c.SlidesExporter.extra_template_basedirs = [".site/templates"]
c.SlidesExporter.template_name = "lecture"
c.SlidesExporter.reveal_theme = "white"
c.SlidesExporter.reveal_width = "1280"
c.SlidesExporter.reveal_height = "720"
c.SlidesExporter.reveal_scroll = True
c.SlidesExporter.reveal_transition = "none"
c.SlidesExporter.reveal_number = "c/t"

c.SlidesExporter.preprocessors = [Lecture]
