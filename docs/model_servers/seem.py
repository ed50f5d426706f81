"""SEEM (Zou et al. 2023, "Segment Everything Everywhere All at Once") as a model server.

Written against the inference code of github.com/UX-Decoder/Segment-Everything-Everywhere-All-At-Once (demo/seem). Its weights could
not be had where this was written, so it has never been run: check the masks of one photo by eye before any figure of it is believed.

In that repository's environment, with training/inference/model_server.py copied beside this file, from the repository's root:
    python seem.py --conf_files configs/seem/focall_unicl_lang_demo.yaml --weights seem_focall_v0.pt --port 8601
"""

import argparse

import numpy as np
import torch
from model_server import serve
from modeling import build_model
from modeling.BaseModel import BaseModel
from modeling.language.loss import vl_similarity
from PIL import Image
from torch.nn import functional as F
from utils.arguments import load_opt_from_config_files
from utils.constants import COCO_PANOPTIC_CLASSES
from utils.distributed import init_distributed

SHORTER_SIDE_PX = 512


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conf_files", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--port", type=int, default=8601)
    arguments = parser.parse_args()
    settings = init_distributed(load_opt_from_config_files([arguments.conf_files]))
    model = BaseModel(settings, build_model(settings)).from_pretrained(arguments.weights).eval().cuda().model
    language = model.sem_seg_head.predictor.lang_encoder
    language.get_text_embeddings([*COCO_PANOPTIC_CLASSES, "background"], is_eval=True)

    @torch.no_grad()
    def predict(photo: np.ndarray, prompts: list[str]) -> list[np.ndarray]:
        scale = SHORTER_SIDE_PX / min(photo.shape[:2])
        size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
        small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1).cuda()
        for task in ("spatial", "visual", "audio"):
            model.task_switch[task] = False
        model.task_switch["grounding"] = True
        found = []
        for prompt in prompts:
            asked = [{"image": pixels, "height": size[1], "width": size[0], "text": [prompt]}]
            results, padded, extra = model.evaluate_demo(asked)
            captions, text = (F.normalize(one, dim=-1) for one in (results["pred_captions"][0], extra["grounding_class"]))
            best = vl_similarity(captions, text, temperature=language.logit_scale).max(0)[1]
            logits = F.interpolate(results["pred_masks"][0][best][None], padded[-2:], mode="bilinear")[..., : size[1], : size[0]]
            whole = F.interpolate(logits, photo.shape[:2], mode="bilinear")[0].amax(0)
            found.append(whole.sigmoid().float().cpu().numpy())
        return found

    serve(predict, "SEEM", arguments.port).serve_forever()


if __name__ == "__main__":
    main()
