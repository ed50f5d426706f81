"""Photos as reports carry them: small JPEG files."""

import io

from PIL import Image

from core.photos import Photo

TILE_PX = 420


def jpeg(photo: Photo) -> bytes:
    """photo: (H, W, 3) uint8; its longer side becomes TILE_PX at most."""
    image = Image.fromarray(photo)
    image.thumbnail((TILE_PX, TILE_PX))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()
