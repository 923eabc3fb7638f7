"""Sound and words become vectors: reading, cutting, the model, the table contracts, and the only storage code.

Contracts: `errors`, `spec`, `identity`, `tables`, `encoder`.  Compute: `audio`, `segment`, `passages`, `model`.
Storage: `store`, `manifest`, `dataset`.  Engine: `stages`.  Importing this package loads neither torch nor Ray.
"""
