"""X-Decoder (Zou et al. 2023, "Generalized Decoding for Pixel, Image, and Language") as a model server.

Written against the referring-segmentation inference of github.com/microsoft/X-Decoder (inference/xdecoder/infer_refseg.py). Its
weights could not be had where this was written, so it has never been run: check the masks of one photo by eye before any figure of
it is believed.

In that repository's environment, with training/inference/model_server.py copied beside this file, from the repository's root:
    python x_decoder.py evaluate --conf_files configs/xdecoder/focalt_unicl_lang.yaml --overrides RESUME_FROM xdecoder_focalt_last.pt
"""

import os

import numpy as np
import torch
from model_server import serve
from modeling import build_model
from modeling.BaseModel import BaseModel
from PIL import Image
from utils.arguments import load_opt_command
from utils.distributed import init_distributed

SHORTER_SIDE_PX = 512


def main() -> None:
    settings, _ = load_opt_command(None)
    settings = init_distributed(settings)
    model = BaseModel(settings, build_model(settings)).from_pretrained(settings["RESUME_FROM"]).eval().cuda().model
    model.sem_seg_head.predictor.lang_encoder.get_text_embeddings(["background", "background"], is_eval=False)

    @torch.no_grad()
    def predict(photo: np.ndarray, prompts: list[str]) -> list[np.ndarray]:
        height, width = photo.shape[:2]
        scale = SHORTER_SIDE_PX / min(height, width)
        size = (round(width * scale), round(height * scale))
        small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1).cuda()
        texts = [[prompt] for prompt in prompts]
        asked = [{"image": pixels, "height": height, "width": width, "groundings": {"texts": texts}}]
        logits = model.evaluate_grounding(asked, None)[0]["grounding_mask"]
        return list(logits.sigmoid().float().cpu().numpy())

    serve(predict, "X-Decoder", int(os.environ.get("PORT", "8602"))).serve_forever()


if __name__ == "__main__":
    main()
