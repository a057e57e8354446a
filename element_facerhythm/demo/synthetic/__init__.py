"""A face-like scene with closed-form motion, to measure answers against the truth."""

from element_facerhythm.demo.synthetic.render import Renderer, make_scene_video, write_gray_video
from element_facerhythm.demo.synthetic.scene import Scene, plan_scene
from element_facerhythm.demo.synthetic.sources import Region, Source

__all__ = [
    "Region",
    "Renderer",
    "Scene",
    "Source",
    "make_scene_video",
    "plan_scene",
    "write_gray_video",
]
