"""The products that benchmarks.py and peers.py measure, so that each row of one has its row of the other."""
PRODUCTS = [(1024, 1024, 1024), (512, 768, 2304), (512, 768, 3072), (512, 3072, 768), (512, 768, 50257)]  # m, k, n
WEIGHTS = [(768, 2304), (768, 3072), (3072, 768), (768, 50257)]  # k, n of products with a vector
