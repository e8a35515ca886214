import re


def fused(first, second):
    name = rf"\b{first.result}\b"
    return type(second)(second.result, re.sub(name, f"({first.text})", second.text))


def may_fuse(first, second, later):
    def reads(loop):
        return bool(re.search(rf"\b{first.result}\b", loop.text))

    reduces = type(first).__name__ == "Reduction"
    return not reduces and reads(second) and not any(map(reads, later))
