"""What the A1111 stand-in has besides its models: the lists that it answers with, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fakes.services.call_log import Json

SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "Euler a", "Euler", "Heun", "DDIM")
SCHEDULERS = ("automatic", "karras", "exponential")
LORAS = ("add-detail-xl", "ink", "Film Grain")
UPSCALERS = ("None", "Lanczos", "R-ESRGAN 4x+", "4x-UltraSharp")
RESTORERS = ("CodeFormer", "GFPGAN")
LATENT_MODES = ("Latent", "Latent (nearest)")
MODULES = ("none", "canny", "depth_midas", "scribble_xdog", "scribble_pidinet")
CONTROLNETS = (
    "control_v11p_sd15_canny [d14c016b]",
    "control_v11p_sd15_scribble [d4ba51ff]",
    "control_v11f1p_sd15_depth [cfd03158]",
    "diffusers_xl_depth_full [2f51180b]",
)


@dataclass(slots=True)
class Inventory:
    """The names. ``downloaded`` are the upscalers whose files are on the server.

    ``controlnets`` are the models of its extension, or None if it does not have the extension.
    """

    samplers: tuple[str, ...] = SAMPLERS
    schedulers: tuple[str, ...] = SCHEDULERS
    loras: tuple[str, ...] = LORAS
    upscalers: tuple[str, ...] = UPSCALERS
    downloaded: tuple[str, ...] = ()
    restorers: tuple[str, ...] = RESTORERS
    latent_modes: tuple[str, ...] = LATENT_MODES
    controlnets: tuple[str, ...] | None = CONTROLNETS
    modules: tuple[str, ...] = MODULES

    def lists(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each list with the name of its route."""
        yield from (
            ("/sdapi/v1/samplers", "samplers"),
            ("/sdapi/v1/schedulers", "schedulers"),
            ("/sdapi/v1/loras", "loras"),
            ("/sdapi/v1/upscalers", "upscalers"),
            ("/sdapi/v1/face-restorers", "restorers"),
            ("/sdapi/v1/latent-upscale-modes", "latent_modes"),
            ("/controlnet/model_list", "control_models"),
            ("/controlnet/module_list", "control_modules"),
        )

    def told(self, name: str) -> Json:
        """The answer of the route with this name. None if the server does not have it."""
        match name:
            case "samplers":
                return [{"name": each, "aliases": [], "options": {}} for each in self.samplers]
            case "schedulers":
                return [{"name": each, "label": each.title(), "aliases": None} for each in self.schedulers]
            case "loras":
                return [{"name": each, "alias": each, "path": lora_path(each), "metadata": {}} for each in self.loras]
            case "upscalers":
                return [self._upscaler(each) for each in self.upscalers]
            case "restorers":
                return [{"name": each, "cmd_dir": None} for each in self.restorers]
            case "latent_modes":
                return [{"name": each} for each in self.latent_modes]
            case "control_models":
                return None if self.controlnets is None else {"model_list": ["None", *self.controlnets]}
        return None if self.controlnets is None else {"module_list": [*self.modules], "module_detail": {}}

    def _upscaler(self, name: str) -> Json:
        path: Json = None
        if name in self.downloaded:
            path = f"C:\\webui\\models\\ESRGAN\\{name}.pth"
        elif "ESRGAN" in name:
            path = f"https://models.invalid/{name}.pth"
        return {"name": name, "model_name": None, "model_path": path, "model_url": None, "scale": 4}


def lora_path(name: str) -> str:
    """The path of a LoRA, as stable-diffusion.cpp names it in a request."""
    return f"styles/{name}.safetensors"
