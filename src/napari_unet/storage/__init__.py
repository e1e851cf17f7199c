"""Reading and writing images, and the sample images that come with the package."""
