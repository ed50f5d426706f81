import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from core.models.fused_layers import FusedLayer, Int8Product, PackedProduct, fuse

needs_vnni = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this CPU has no VNNI")
needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@pytest.fixture(scope="module")
def clipseg():
    torch.manual_seed(0)
    config = CLIPSegConfig(
        vision_config={
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_attention_heads": 4,
            "num_hidden_layers": 3,
            "image_size": 64,
            "patch_size": 16,
        },
        text_config={"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1},
        projection_dim=32,
        extract_layers=[0, 1, 2],
        reduce_dim=32,
        decoder_intermediate_size=64,
    )
    return CLIPSegForImageSegmentation(config).eval()


def sides(clipseg):
    """Transformers' layers and whether norms come first."""
    return [(clipseg.clip.vision_model.encoder.layers, True, 96), (clipseg.decoder.layers, False, 32)]


def through(layers, hidden):
    for layer in layers:
        hidden = layer(hidden, attention_mask=None)
    return hidden


@needs_onednn
@pytest.mark.parametrize("place", [0, 1])
def test_fused_layers_equal_transformers_layers(clipseg, place):
    layers, norms_first, channels = sides(clipseg)[place]
    hidden = torch.randn(2, 17, channels)
    fused = copy.deepcopy(layers)
    fuse(fused, norms_first, PackedProduct, torch.float32, 17)
    with torch.inference_mode():
        torch.testing.assert_close(through(fused, hidden), through(layers, hidden), rtol=1e-4, atol=1e-5)
        # another number of rows than packed for
        torch.testing.assert_close(through(fused, hidden[:1, :5]), through(layers, hidden[:1, :5]), rtol=1e-4, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize(("product", "error"), [(PackedProduct, 0.02), pytest.param(Int8Product, 0.03, marks=needs_vnni)])
@pytest.mark.parametrize("place", [0, 1])
def test_small_formats_stay_near(clipseg, place, product, error):
    layers, norms_first, channels = sides(clipseg)[place]
    hidden = torch.randn(2, 17, channels)
    fused = copy.deepcopy(layers)
    fuse(fused, norms_first, product, torch.bfloat16, 17)
    with torch.inference_mode():
        expected, found = through(layers, hidden), through(fused, hidden.bfloat16())
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).norm() < error * expected.norm()


@needs_vnni
@given(rows=st.integers(1, 9), loud=st.floats(1, 1e4), seed=st.integers(0, 1000))
def test_int8_rounds_a_row_by_its_own_scale(rows, loud, seed):
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(24, 48, generator=generator), torch.randn(24, generator=generator)
    weight[3] *= loud  # an outlier must cost no other channel, nor a loud token another
    inputs = torch.randn(rows, 48, generator=generator)
    inputs[0] *= loud
    product = Int8Product(weight, torch.zeros(24), torch.float32, rows)
    expected, found = inputs.double() @ weight.double().T, product(inputs).double()
    # half a step of either side, times what it is multiplied with
    steps = inputs.abs().amax(1, keepdim=True).double() / 127 / 2, weight.abs().amax(1).double() / 127 / 2
    bound = steps[0] * weight.abs().sum(1) + steps[1] * inputs.abs().sum(1, keepdim=True) + 48 * steps[0] * steps[1]
    assert ((found - expected).abs() <= 1.001 * bound + 1e-6).all()
    torch.testing.assert_close(
        Int8Product(weight, bias, torch.float32, rows)(inputs).double(), found + bias, rtol=1e-5, atol=1e-5
    )


@needs_vnni
def test_int8_of_silence_is_the_bias():
    product = Int8Product(torch.zeros(8, 16), torch.arange(8.0), torch.float32, 3)
    assert torch.equal(product(torch.zeros(3, 16)), torch.arange(8.0).expand(3, -1))


def test_an_activation_without_a_fused_form_is_left_to_transformers(clipseg):
    layers = copy.deepcopy(clipseg.clip.vision_model.encoder.layers)
    layers[1].mlp.config = copy.deepcopy(layers[1].mlp.config)
    layers[1].mlp.config.hidden_act = "gelu"
    fuse(layers, True, PackedProduct, torch.float32, 17)
    assert [isinstance(layer, FusedLayer) for layer in layers] == [True, False, True]
    assert isinstance(layers, nn.ModuleList)
