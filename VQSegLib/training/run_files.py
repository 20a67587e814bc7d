"""Names of what a run keeps in its folder."""

CONFIG_FILE = "config.json"
CASES_FILE = "cases.json"
CACHE_FOLDER = "cache"
STATE_FILE = "state.pt"
BEST_FILE = "best.pt"
MODEL_FILE = "model.safetensors"
