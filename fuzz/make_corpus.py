"""Writes fuzz/corpus/<target>/: small inputs, good and malformed, from which fuzzing starts. Standard library only."""

import base64
import gzip
import io
import json
import pathlib
import pickle
import struct
import zipfile
import zlib

ROOT = pathlib.Path(__file__).parent / "corpus"


def put(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def idx(magic, sizes, data):
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + data


def idx_corpus():
    images = idx(2051, (2, 3, 4), bytes(range(24)))
    put("idx", "images", images)
    put("idx", "labels", idx(2049, (10,), bytes(range(10))))
    put("idx", "images.gz", gzip.compress(images, mtime=0))
    put("idx", "two_members.gz", gzip.compress(images[:9], mtime=0) + gzip.compress(images[9:], mtime=0))
    put("idx", "zeros.gz", gzip.compress(bytes(100_000), mtime=0))
    put("idx", "truncated", images[:-5])
    put("idx", "truncated.gz", gzip.compress(images, mtime=0)[:-6])
    put("idx", "trailing", images + b"x")
    put("idx", "overflow", idx(2051, (0xFFFFFFFF,) * 3, b"data"))
    put("idx", "product_wraps", idx(2051, (0x80000000, 0x80000000, 4), b""))
    put("idx", "empty_axis", idx(2051, (0, 28, 28), b""))
    put("idx", "floats", idx(0x0D03, (1, 1, 1), b"abcd"))
    put("idx", "nothing", b"")


def mat_element(kind, content, small=False):
    if small:
        return struct.pack("<I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat_matrix(name, shape, kind, storage, data, flags=0):
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    return mat_element(14, mat_element(6, struct.pack("<II", kind | flags, 0)) + mat_element(5, sizes)
                       + mat_element(1, name, len(name) <= 4) + mat_element(storage, data, 0 < len(data) <= 4))


def mat(*matrices, packed=True, order=b"IM"):
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1" + order
    body = (zlib.compress(m) for m in matrices)
    return head + b"".join(struct.pack("<II", 15, len(m)) + m for m in body) if packed else head + b"".join(matrices)


def mat_corpus():
    images, labels = mat_matrix(b"X", (2, 2, 3, 2), 9, 2, bytes(range(24))), mat_matrix(b"y", (2, 1), 6, 2, b"\1\12")
    doubles = mat_matrix(b"X", (1, 2), 6, 9, struct.pack("<2d", 1, 2))
    put("mat", "packed", mat(images, labels))
    put("mat", "raw", mat(images, labels, packed=False))
    put("mat", "doubles", mat(labels, doubles, packed=False))
    put("mat", "other_names", mat(mat_matrix(b"long_name", (1, 1), 7, 7, bytes(4))))
    put("mat", "big_endian", mat(images, order=b"MI"))
    put("mat", "truncated", mat(images, labels)[:-9])
    put("mat", "damaged", mat(images)[:-2] + b"xx")
    put("mat", "complex", mat(mat_matrix(b"X", (1, 2), 9, 2, b"ab", 0x800), packed=False))
    put("mat", "text", mat(mat_matrix(b"X", (1, 2), 4, 16, b"ab"), packed=False))
    put("mat", "huge", mat(mat_matrix(b"X", (2**31 - 1, 2**31 - 1, 9), 9, 2, b"ab"), packed=False))
    put("mat", "negative", mat(mat_matrix(b"X", (-1, -1), 9, 2, b"a"), packed=False))
    put("mat", "zeros", mat(mat_matrix(b"X", (100, 100), 9, 2, bytes(10**4))))


def cifar_pickle(labels, data):
    """As Python 2 wrote it: a NumPy array under 'data', a list under 'labels'."""
    def text(s):
        return b"U" + bytes([len(s)]) + s

    array = (b"cnumpy.core.multiarray\n_reconstruct\nq\3cnumpy\nndarray\nq\4K\0\x85" + text(b"b") + b"\x87Rq\5(K\1M"
             + struct.pack("<H", len(labels)) + b"M\0\x0c\x86cnumpy\ndtype\nq\6" + text(b"u1")
             + b"K\0K\1\x87Rq\7(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T"
             + struct.pack("<I", len(data)) + data + b"tb")
    return (b"\x80\2}q\1(" + text(b"data") + b"q\2" + array + text(b"labels") + b"]q\x08("
            + b"".join(b"K" + bytes([label]) for label in labels) + b"eu.")


def cifar_corpus():
    record = bytes([7]) + bytes(3072)
    put("cifar", "one.bin", record)
    put("cifar", "label.bin", bytes([11]) + bytes(3072))
    put("cifar", "short.bin", record[:-1])
    put("cifar", "batch", cifar_pickle([3], bytes(3072)))
    put("cifar", "no_pixels", cifar_pickle([3], b""))
    put("cifar", "by_python3", pickle.dumps({b"labels": [1, 2], b"data": None, b"x": (1, b"y", "z")}, 2))
    for protocol in 3, 4, 5:
        put("cifar", f"protocol{protocol}", pickle.dumps({"labels": [1, 2], b"data": bytes(5), "x": {1, frozenset("z")}, "y": 2**70}, protocol))
    put("cifar", "itself", b"\x80\2]q\0h\0a.")
    put("cifar", "marks", b"(((((tttte.")
    put("cifar", "system", b"cos\nsystem\n(U\4truetR.")
    header = bytearray(512)
    header[0:1], header[124:136], header[156:157], header[257:262] = b"f", b"00000000003\0", b"0", b"ustar"
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    put("cifar", "archive.tar", bytes(header) + b"abc".ljust(512, b"\0") + bytes(1024))


def torch_zip(pickle, storage, packed=False):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in (("data.pkl", pickle), ("byteorder", b"little"), ("data/0", storage)):
            file.writestr(zipfile.ZipInfo("a/" + name), content)
    return archive.getvalue()


def torch_save_corpus():
    """A dict of a float32 tensor [2,3]: as torch.save writes it, and malformed."""
    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s

    def whole(*values):
        return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"

    def tensor(numel=6, offset=0, sizes=(2, 3), strides=(3, 1), view=b""):
        return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu")
                + b"J" + struct.pack("<i", numel) + view + b"tQJ" + struct.pack("<i", offset) + whole(*sizes) + whole(*strides)
                + b"\x89ccollections\nOrderedDict\n)RtR")

    def saved(value, name=b"y"):
        return b"\x80\2}(" + text(name) + value + b"u."

    data = bytes(24)
    put("torch_save", "good", torch_zip(saved(tensor()), data))
    put("torch_save", "ordered", torch_zip(b"\x80\2ccollections\nOrderedDict\n)R(" + text(b"x") + tensor() + b"u.", data))
    put("torch_save", "short_record", torch_zip(saved(tensor()), b""))
    put("torch_save", "far", torch_zip(saved(tensor(offset=2 * 10**9)), data))
    put("torch_save", "before", torch_zip(saved(tensor(offset=-1)), data))
    put("torch_save", "large", torch_zip(saved(tensor(sizes=(20000, 256))), data))
    put("torch_save", "packed", torch_zip(saved(tensor()), data, True))
    put("torch_save", "no_dict", torch_zip(b"\x80\2" + tensor() + b".", data))
    put("torch_save", "deep", torch_zip(b"\x80\2" + b"(" * 300 + b"t" * 300 + b".", data))
    put("torch_save", "system", torch_zip(saved(b"cos\nsystem\n" + text(b"true") + b"\x85R"), data))
    put("torch_save", "legacy", b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}" + text(b"little_endian") + b"\x88s."
        + saved(tensor(view=b"N")) + b"\x80\2]" + text(b"0") + b"a." + struct.pack("<q", 6) + data)


# Made by the HDF5 library: a float32 data set x [1,2,2].
HDF5 = (
    "eNrr9HBx4+WS4mLm4GCAgf9QIAAVMoCKP46bU+bv4RLEpNB3misbGVcwCSFrhAEuJgZGBgY2HgYgxVhxGGa+BwPVwJLfxy3BTlJEdxIDI6MJAwMTMyMjI1Qt"
    "ExqNS5xZhIFRUEGegQXMU2AQ52AQrweyWIG+YebiAPqUhZEBGjQCMIdMYBh04MOvK58YRsEoGAWjYBSMAuygwR5IOAAREDc4AADq/zpe")


def hdf5_corpus():
    good = zlib.decompress(base64.b64decode(HDF5))
    put("hdf5", "good", good)
    put("hdf5", "signature", good[:8])
    put("hdf5", "nothing", b"")


def archive_corpus():
    """Archives of pictures; what the pictures hold is not looked at."""
    def archive(*entries, kind=zipfile.ZIP_STORED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", kind) as file:
            for name, content in entries:
                file.writestr(zipfile.ZipInfo(name), content, compress_type=kind)
        return packed.getvalue()

    good = archive(("a/1.png", b"one"), ("a/2.jpg", b"two"), ("read.me", b"no picture"))
    put("archive", "stored", good)
    put("archive", "deflated", archive(("1.png", b"one" * 20), kind=zipfile.ZIP_DEFLATED))
    put("archive", "hidden", archive(("__MACOSX/._1.png", b""), ("a/.b/1.png", b""), ("1.png", b"x")))
    put("archive", "none", archive(("read.me", b"x")))
    put("archive", "content", good.replace(b"one", b"six"))
    # A size that is not the entry's, in the central directory alone.
    at = good.rindex(b"PK\1\2")
    put("archive", "large", good[:at + 24] + struct.pack("<I", 1 << 27) + good[at + 28:])


# Made by libjpeg from a ramp of 11x8 pixels: grey with an EXIF orientation, and YCCK as Adobe's programs write it.
JPEG_TURNED = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9"
    "PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAIAAsBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABAX/xAAaEAACAgMAAAAAAAAAAAAA"
    "AAAAIgEFAgQx/9oACAEBAAA/ABaFDxC3hQpCH//Z")
JPEG_INKS = (
    "/9j/7gAOQWRvYmUAZAAAAAAC/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhcZWdj/9sA"
    "QwEREhIYFRgvGhovY0I4QmNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj/8AAFAgACAALBAEiAAIRAQMRAQQiAP/E"
    "ABcAAQEBAQAAAAAAAAAAAAAAAAAFAQL/xAAjEAABAwQCAQUAAAAAAAAAAAABAgMEAAURMRIhQRQyQlGB/8QAFQEBAQAAAAAAAAAAAAAAAAAAAAP/xAAbEQAB"
    "BAMAAAAAAAAAAAAAAAADAAECERIhUf/aAA4EAQACEQMRBAAAPwDtKzcrwuW8CYsQ8yTpS/iN+N/mDupMy+KMtwgkjlSlVANiSxfiXq1kpr0VrZtzPT8v34Pa"
    "WxvRyMnr6I5VTaj22M0hmRNiMupSOSHHkpUPPYJpSv/Z")


def png(width, height, kind, rows, depth=8):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def image_corpus():
    jpeg = base64.b64decode(JPEG_TURNED)
    put("image", "turned.jpg", jpeg)
    put("image", "inks.jpg", base64.b64decode(JPEG_INKS))
    put("image", "extraneous.jpg", jpeg[:2] + b"xyz" + jpeg[2:])
    put("image", "no_end.jpg", jpeg[:-2])
    put("image", "cut.jpg", jpeg[:-9])
    put("image", "rgb.png", png(2, 2, 2, b"\0abcdef\0ghijkl"))
    put("image", "grey16.png", png(2, 1, 0, b"\0abcd", 16))
    put("image", "huge.png", png(2**30, 2**30, 2, b"\0abc"))
    put("image", "grey.pgm", b"P5 # of a camera\n3 2 255\nabcdef")
    put("image", "deep.pgm", b"P5\n3 1\n1023\nabcdef")
    put("image", "colour.ppm", b"P6 1 1 15\nabc")
    put("image", "ascii.pgm", b"P2\n2 1\n255\n1 2\n")
    put("image", "grey.tga", struct.pack("<BBBHHBHHHHBB", 0, 0, 3, 0, 0, 0, 0, 0, 2, 2, 8, 0) + b"abcd")
    put("image", "runs.tga", struct.pack("<BBBHHBHHHHBB", 0, 0, 11, 0, 0, 0, 0, 0, 2, 2, 8, 0) + b"\x83a")
    put("image", "colour.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 62, 0, 0, 54, 40, 2, 1, 1, 24, 0, 8, 0, 0, 0, 0) + b"abcdef\0\0")
    put("image", "dot.gif", b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;")
    put("image", "other.jpg", b"RIFF\x10\0\0\0WEBPVP8 ")


def npy(header, data=b"", version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def npy_corpus():
    def header(descr="'<f4'", order="False", shape="(2, 3)"):
        return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"

    put("npy", "float32", npy(header(), bytes(24)))
    put("npy", "fortran", npy(header("'>f8'", "True"), bytes(48)))
    put("npy", "scalar", npy(header("'<i8'", shape="()"), bytes(8)))
    put("npy", "one_axis", npy(header("'|b1'", shape="(3,)"), bytes(3)))
    put("npy", "version2", npy(header("'<u2'", shape="(0, 5)"), b"", 2))
    put("npy", "other_order", npy("{\"shape\":(2,),'descr':'|u1','fortran_order':False}", b"ab"))
    put("npy", "truncated", npy(header(), bytes(20)))
    put("npy", "overflow", npy(header("'|u1'", shape="(4294967297, 4294967292)"), bytes(4)))
    put("npy", "huge", npy(header(shape="(99999999999999999999,)"), bytes(4)))
    put("npy", "negative", npy(header(shape="(-1,)"), bytes(4)))
    put("npy", "many_axes", npy(header(shape="(" + "1," * 70 + ")"), bytes(4)))
    put("npy", "records", npy(header("[('a', '<f4')]"), bytes(24)))
    put("npy", "objects", npy(header("'|O'"), bytes(24)))
    put("npy", "open_quote", npy("{'descr: }"))
    put("npy", "no_header", b"\x93NUMPY\x01\x00")


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors_corpus():
    good = {"__metadata__": {"format": "1"}, "a": entry(), "b": entry("U8", (3,), (8, 11)), "empty": entry("I64", (0, 4), (8, 8)),
            "scalar": entry("BF16", (), (11, 13))}
    put("safetensors", "good", safetensors(good, bytes(13)))
    put("safetensors", "nothing_inside", safetensors({}))
    put("safetensors", "padded", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}    ', b"x"))
    put("safetensors", "truncated", safetensors(good, bytes(12)))
    put("safetensors", "hole", safetensors({"a": entry(), "b": entry("U8", (3,), (9, 12))}, bytes(12)))
    put("safetensors", "overlap", safetensors({"a": entry(), "b": entry("U8", (8,), (4, 12))}, bytes(12)))
    put("safetensors", "overflow", safetensors({"a": entry("U8", (4294967297, 4294967292), (0, 4))}, bytes(4)))
    put("safetensors", "negative", safetensors({"a": entry("U8", (-4,), (0, 4))}, bytes(4)))
    put("safetensors", "duplicate", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', b"x"))
    put("safetensors", "deep", safetensors(b'{"a":' + b"[" * 200))
    put("safetensors", "no_json", safetensors(b'{"a"'))
    put("safetensors", "not_utf8", safetensors(b'{"\xff":1}'))
    put("safetensors", "long_header", struct.pack("<Q", 1 << 62) + b"{}")
    put("safetensors", "short", b"\x02\x00")


def text_corpus():
    put("text", "tokenised", b" no it was n't black <unk>\n the N stock market <eos> two\n")
    put("text", "messages", "ham\tGo until jurong point, crazy.. Available!!!!\nspam\tFREE entry \u00a31000, don\u2019t wait\n".encode())
    put("text", "blank_lines", b"\n \nham\tok\r\n\n")
    put("text", "letters", "ham\t\u00dcber 4u\u2026 \u9225\u253e\u3028 \U0001f600\u00a0x".encode())
    put("text", "no_tab", b"ham no tab\n")
    put("text", "other_label", b"eggs\ttext\n")
    put("text", "not_utf8", b"ham\tcaf\xe9\n")
    put("text", "overlong", b"ham\t\xc0\xaf\xe0\x80\xaf\n")
    put("text", "surrogate", b"ham\t\xed\xa0\x80\n")
    put("text", "cut_character", b"ham\t\xe2\x80")
    put("text", "nul", b"ham\ta\0b\n")
    put("text", "vocabulary", b"<unk>\n<eos>\nthe\nn't\n")
    put("text", "vocabulary_twice", b"<unk>\n<eos>\nthe\nthe\n")
    put("text", "vocabulary_blank", b"<unk>\n<eos>\nthe end\n")
    put("text", "nothing", b"")


def jobs_corpus():
    put("jobs", "usual", b"# runs\nMNIST vanilla\nSVHN thermo max-steps=50 seed=2 # short\n\n  PTB\tvariational name=a TRAINING.N_train=9\n")
    put("jobs", "crlf_bom", b"\xef\xbb\xbfMNIST vanilla\r\n# x\r\nFMNIST THERMO\r\n")
    put("jobs", "quotes", b"""MNIST tune config="a file.ini" 'DATA.root=/a b#c' name="it's"'"'\n""")
    put("jobs", "open_quote", b'MNIST vanilla name="a\n')
    put("jobs", "no_mode", b"MNIST\n")
    put("jobs", "later_mode", b"MNIST baseline-vae\n")
    put("jobs", "twice", b"MNIST vanilla seed=1 seed=2\nMNIST vanilla EbmModel.pi_0=ebm ebmmodel.PI_0=ebm\n")
    put("jobs", "no_value", b"MNIST vanilla seed=\nMNIST vanilla =3\nMNIST vanilla .a=3\nMNIST vanilla A.=\n")
    put("jobs", "zero_byte", b"MNIST van\0illa\n")
    put("jobs", "second_mark", b"MNIST vanilla\n\xef\xbb\xbfMNIST vanilla\n")
    put("jobs", "not_utf8", b"MNIST vanilla EbmModel.\xff=\xfe\n")


def range_corpus():
    for name, text in {"uniform": "uniform -1.5 2", "log": "log 1e-5 1e-2", "int": "int 5 30", "choice": "choice RBF FFT Cheby",
                       "lists": "choice 40,81 20,41", "tiny": "log 5e-324 1e-300", "wide": "uniform -1e308 1e308",
                       "far": "int -1e15 1e15", "reversed": "log 1 0.1", "no_numbers": "uniform a b", "unknown": "loguniform 1 2",
                       "nothing": "", "fraction": "int 0.5 2", "twice": "choice a a", "plus": "uniform +1 +2"}.items():
        put("range", name, text.encode())


if __name__ == "__main__":
    idx_corpus()
    mat_corpus()
    cifar_corpus()
    torch_save_corpus()
    archive_corpus()
    hdf5_corpus()
    image_corpus()
    npy_corpus()
    safetensors_corpus()
    text_corpus()
    jobs_corpus()
    range_corpus()
