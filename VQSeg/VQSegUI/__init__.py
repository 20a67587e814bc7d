"""Parts of the VQSeg panel, one small file each; see ARCHITECTURE.md."""
