"""What leaves the house: weight files, ONNX files, programs of torch.export, and the card beside them."""
