"""What a copy costs: the product's data path beside what an operator would otherwise type, on one machine."""
