"""Makes the WebP files here and ../golden/webp.json, what Pillow (libwebp) decodes them to. Run in this folder."""
import json

import numpy as np
from PIL import Image

rng = np.random.default_rng(3)
y, x = np.mgrid[0:23, 0:31]
noise = Image.fromarray(rng.integers(0, 256, (13, 17, 3), dtype=np.uint8))
waves = (np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], -1) * 120 + 128).astype(np.uint8)
alpha = np.concatenate([waves, ((x + y) * 4 % 256)[..., None].astype(np.uint8)], -1)
palette = Image.fromarray(((x // 8 + y // 8) % 3 * 100).astype(np.uint8)).convert("RGB")
cases = []
for name, image, options in (
        ("lossless", noise, {"lossless": True}), ("palette", palette, {"lossless": True}),
        ("alpha", Image.fromarray(alpha, "RGBA"), {"lossless": True, "exact": True}),
        ("lossy", Image.fromarray(waves), {"quality": 90}),
        ("lossy_alpha", Image.fromarray(alpha, "RGBA"), {"quality": 90, "exact": True})):
    image.save(f"{name}.webp", **options)
    rgb = np.asarray(Image.open(f"{name}.webp"))[..., :3]
    cases.append({"id": name, "params": {}, "input": {}, "expected": {"pixels": rgb.tolist()}, "tolerance": {}})
frames = [Image.fromarray(waves), Image.fromarray(255 - waves)]
frames[0].save("animated.webp", save_all=True, append_images=frames[1:], lossless=True)
with open("../golden/webp.json", "w") as f:
    json.dump({"schema": "golden/1", "group": "webp", "kind": "webp", "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
