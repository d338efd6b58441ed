"""Values of Kubernetes' API that both sides read and write, as Kubernetes defines them."""
