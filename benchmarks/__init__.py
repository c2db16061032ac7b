"""What measures the promises: this project and its peers on the same work, side by side."""
