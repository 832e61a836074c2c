"""DefaceQA judges whether a defaced head MRI is really defaced and the brain still whole."""
