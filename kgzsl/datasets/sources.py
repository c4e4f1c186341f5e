"""Where public data sets can be had: addresses, sizes and checksums of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SOURCES", "RemoteFile", "Source"]

_GITHUB = "https://raw.githubusercontent.com"
# Other ways to the same bytes of the same commit.
_MIRROR = "https://cdn.jsdelivr.net/gh"


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Args:
        path: Where it goes, relative to the data folder.
        urls: Where it can be had, tried in order.
        sha256: Checksum of the file; None where none is published.
        size: Bytes; None where it is not known.
        unpack: Whether it is a zip archive, to be unpacked in the folder of ``path`` and then removed.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    unpack: bool = False


@dataclass(frozen=True)
class Source:
    """How a data set comes here.

    Args:
        files: What can be fetched; empty where a person must get it.
        by_hand: What a person must do, where something cannot be fetched.
        expected: Files that a person must get and whose bytes are known; they have no addresses.
        terms: Licence or terms of use, as far as stated by its authors.
    """

    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""
    expected: tuple[RemoteFile, ...] = ()
    terms: str = "no licence stated by its authors"


def _from_github(repository: str, commit: str, folder: str, target: str, table: str, terms: str = "MIT") -> Source:
    """Files of one commit; lines of ``table`` are local name, size, checksum and, if another, the remote name."""
    files = []
    for line in table.split("\n"):
        if not line.strip():
            continue
        local, size, sha256, *other = line.split()
        remote = f"{folder}/{other[0] if other else local}"
        urls = (f"{_GITHUB}/{repository}/{commit}/{remote}", f"{_MIRROR}/{repository}@{commit}/{remote}")
        files.append(RemoteFile(f"{target}/{local}", urls, sha256, int(size)))
    return Source(tuple(files), terms=terms)


_VILLMOW = "villmow/datasets_knowledge_embedding"
_INGRAM = ("bdi-lab/InGram", "1082e0871b0b449e1a915a7ff33bf0fffbb3eb68")
_OTHER = "9e392453d6804d1f51c13e5650ae58ed48b638d5"

# One archive holds all five; what is unpacked is found under xlsa17/data/NAME.
_XLSA17 = Source(
    (
        RemoteFile(
            "xlsa17.zip",
            (
                "https://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip",
                "http://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip",
            ),
            unpack=True,
        ),
    ),
    by_hand="if the server is down: get xlsa17.zip elsewhere and unpack it in the data folder",
)


_KZSL = "China-UK-ZSL/Resources_for_KZSL"


def _kzsl(target: str, commit: str, remote: str, size: int, sha256: str) -> Source:
    """One graph of the KZSL collection."""
    folder, _, name = target.rpartition("/")
    where, _, other = remote.rpartition("/")
    table = f"{name} {size} {sha256} {other}"
    return _from_github(_KZSL, commit, where, folder, table, "no licence stated by its authors")


def _features_of(graph: str) -> Source:
    folder = graph.replace("-", "_")
    return Source(
        by_hand=f"put seen.txt and unseen.txt of {graph} into ImageNet/{folder}, and split.mat and Res101_Features of "
        "OntoZSL's archive (features of classes of ImageNet, which asks for an account; the README of "
        "China-UK-ZSL/Resources_for_KZSL says where) into ImageNet; or res101.mat and att_splits.mat into "
        f"xlsa17/data/{folder}, as kgzsl export --to xlsa17 makes them"
    )


def _ingram(name: str, table: str) -> Source:
    return _from_github(*_INGRAM, f"data/{name}", f"kg/ingram/{name}", table, "CC BY-NC-SA 4.0")


def _ilpc(size: str) -> Source:
    return Source(
        by_hand="put train.txt, inference.txt, inference_validation.txt and inference_test.txt of "
        f"github.com/pykeen/ilpc2022, folder data/{size}, into kg/ilpc/{size}",
        terms="MIT (the repository); the facts are Wikidata's, CC0",
    )


SOURCES: Mapping[str, Source] = {
    **dict.fromkeys(("AWA1", "AWA2", "CUB", "SUN", "APY"), _XLSA17),
    "FLO": Source(
        by_hand="put res101.mat and att_splits.mat of FLO (given out by the authors of f-CLSWGAN) into xlsa17/data/FLO"
    ),
    "imnet_a": _features_of("ImNet-A"),
    "imnet_o": _features_of("ImNet-O"),
    "kzsl_awa": _kzsl(
        "kg/awa/KG-AwA.ttl",
        "82fc19b1de17cb0881df89ce4fec7da4f5ac4094",
        "ZS-IMGC/KG/RDF_format/KG-AwA.ttl",
        489646,
        "4d02f51bd56c6b56cbc6a434dc2095b157a4e45c6866dc4241382443ef4d4dff",
    ),
    "kzsl_imnet_a": _kzsl(
        "kg/imnet_a/KG-ImNet-A.ttl",
        "7d65271491f805b8429555bc83bf4b8694a88a9d",
        "ZS_IMGC/KG/KG-ImNet-A.ttl",
        433671,
        "2a10eac48c0ed4d9324fc5736572b0e59ab73283019185cf52661c59df32512e",
    ),
    "kzsl_imnet_o": _kzsl(
        "kg/imnet_o/KG-ImNet-O.ttl",
        "8cf55b72dfda741ac01572e6983f062a7a0e6bf0",
        "ZS_IMGC/KG/KG-ImNet-O.ttl",
        152994,
        "0277b30aed7578ba08a52f6b131b92677984a6fce6e20e047b8018349c768c9e",
    ),
    "kzsl_nell": _kzsl(
        "kg/nell_schema/Schema-NELL.ttl",
        "7d65271491f805b8429555bc83bf4b8694a88a9d",
        "ZS_KGC/Ontological_Schema/Schema-NELL.ttl",
        272176,
        "3a89c4e73fb9093d84c3dfe29e34ca4f45749fbb0486423bbffced007b557a70",
    ),
    "kzsl_wiki": _kzsl(
        "kg/wiki_zs/schema/Schema-Wiki.ttl",
        "82fc19b1de17cb0881df89ce4fec7da4f5ac4094",
        "ZS-KGC/Ontological_Schema/RDF_format/Schema-Wiki.ttl",
        464258,
        "fd966f6d16b1fde7b5ecd1ebe827983313bd08b341f09ae70e733115eeb12514",
    ),
    "nell_zs": Source(
        expected=(
            RemoteFile(
                "kg/nell_zs/dev_tasks.json",
                (),
                "0e7990ade05efdfb557fab408a98f64ed05cd7befaeb28490367f4ba2a34d085",
                182547,
            ),
            RemoteFile(
                "kg/nell_zs/test_tasks.json",
                (),
                "0acdc57c2daa0c3ae3a2971e5fedc09eeb4712a2592eef98a0d01bc9a6312278",
                536245,
            ),
        ),
        by_hand="put train_tasks.json, dev_tasks.json, test_tasks.json and relation2ids.json of NELL-ZS (given out by "
        "the authors of ZSGAN, AAAI 2020) into kg/nell_zs",
    ),
    "wiki_zs": Source(
        by_hand="put train_tasks.json, dev_tasks.json, test_tasks.json and relation2ids.json of Wiki-ZS (given out by "
        "the authors of ZSGAN, AAAI 2020) into kg/wiki_zs"
    ),
    "codex_s": _from_github(
        "tsafavi/codex",
        "e805ea2f512d7f0f8e44f213bc4db51dac0de118",
        "data/triples/codex-s",
        "kg/codex_s",
        """
        train.txt 615428 64f93b7f314f3936a6f65739721429db3f6a7c8f5a1e1104ec3bb544f7434f59
        valid.txt 34323 3831c0e57daef03c3a18cdd1a72e370b496f696c5218883d35c7d2ab8a6a772c
        test.txt 34252 27127fcb34688c4778e88a39ef3c9b540807da846021e9d9685660ac1838aca1
        """,
    ),
    "wn18rr": _from_github(
        _VILLMOW,
        "045a868edc0b18d7083b14e80715e82d92938fff",
        "WN18RR/text",
        "kg/wn18rr/text",
        """
        train.txt 4091114 a35aca3c963b71b8efa935c172bf07afe4472655552a0ad8d3b396b4154f1f29
        valid.txt 143548 2c71419fcd86a1720020a8709ab3e8bbb6e0d097a8abce41135fe4c43fec5f84
        test.txt 147707 80cfa61fe62ba084f58de42d8d0b384dc8b76bcd2ef7065b1a292a1e72b44c33
        """,
    ),
    "umls": _from_github(
        _VILLMOW,
        _OTHER,
        "other/umls",
        "kg/umls",
        """
        train.txt 260012 30202640f8b26be8ba2323361ec8831e9e6882396138ae5ca3bef326e7fb6ded
        valid.txt 32962 4cba113f49a7ae9bd1e43f659649b03486ac66642168f67b41e434d9e133f92d
        test.txt 32967 3d9e6e8722cfbb7b3eb8aa5b77eff3eeda1d86d3b968fe0a0b95c641e1c9c6e4
        """,
    ),
    "nations": _from_github(
        _VILLMOW,
        _OTHER,
        "other/nations",
        "kg/nations",
        """
        train.txt 39502 b923bd0e8393b7cad275ee567b5570886f9ff12426e0b3e84e2af17523281b47
        valid.txt 4908 f3c4bf2a02d29a42fad53a6f91e24100d3d6762b4e0f428999b3267e7526f700
        test.txt 5142 e3c3383b3fc0177b88df073f0680ba6b36f16e4dba87326b64b8821b1c928415
        """,
    ),
    "kinship": _from_github(
        _VILLMOW,
        _OTHER,
        "other/kinship",
        "kg/kinship",
        """
        train.txt 208822 ef89f322b30dc328f6d87c72cff4ac8a4a1a2126929f85c31a4486632e73c875
        valid.txt 26140 65a2ca576c21282a399735dc1c44eb9349d34fa5621d9a1a6fec35c8709726fc
        test.txt 26091 f6f8440d98758afcdeaf60ad1017fb146daf2a606b0878cf3fc9a94188e3b3ff
        """,
    ),
    **dict.fromkeys(
        ("nell_ext", "nell_ext_ent", "nell_ext_rel", "nell_ext_both"),
        _from_github(
            "zjukg/RMPI",
            "6d084e110c4db072e49e14ab61f6d7664882e1fa",
            "data",
            "kg/nell_ext",
            """
            train.txt 430800 18480cbad264b237416688dcaed07b49e5fa74d823ce037f00fcb5a7ed7b0612 nell_ext/train.txt
            valid.txt 9865 fcd9491235910e8638db154221c2e138604661624f00a407cb897c2142428550 nell_ext/valid.txt
            ind/train.txt 177158 eb5021a48780ddc4a2fb85ded83aa9fddcfc19241f772c588c455c5613ca454a nell_ext_ind/train.txt
            ind/test1.txt 46385 0a5dd7a3be73c3d3888d36ef1571a115c2d50b6c4f64bf1a835b117e7eea7fca nell_ext_ind/test1.txt
            ind/test2.txt 840 d7d69782fa380b1ac6580233166bb29c09b0c80c03a73145145867dd544441dc nell_ext_ind/test2.txt
            ind/test3.txt 9043 ddcbdd9e395f79ae7a8ba5fe7a57901c516b3f517755741dac74fa2204ca35e1 nell_ext_ind/test3.txt
            """,
            "no licence stated by its authors",
        ),
    ),
    "ilpc_small": _ilpc("small"),
    "ilpc_large": _ilpc("large"),
    "ingram_nl-0": _ingram(
        "NL-0",
        """
        train.txt 629603 e3451ba717aa7366e52ac994398350d769d181e8bced30b6bb54e2315092794e
        msg.txt 186375 6b6257779ff6aded428d64b3b70620e85bc67cbaec9dd385bd785bce904a1fbf
        valid.txt 61502 d4c3e30d3d782663daaaf0e6c5fb690ba5db77e5220805c5efc6b3c84e0d4c20
        test.txt 61721 011b8161eab4a8daee93f9e45b3f745fcfd7ef4f9e1320dffdb28da27d625f32
        """,
    ),
    "ingram_nl-75": _ingram(
        "NL-75",
        """
        train.txt 830521 6c145bafe2dceb966c0e1c703b52d749a05e361c546feb7486b5cd85d12a7697
        msg.txt 164001 91b8e1d02aafc2522c6e4b98f7f5a51744a531c40f7d8155332ae5fecd2d4c61
        valid.txt 55349 59e4621678dd7c15af59b79d057f1333fee08e8de78ce79b3f0a063b9a2d5c8c
        test.txt 55642 a4390ce759fd864e09b53e97c774b1be5da29132fb0e1c7a36e28246a01fab38
        """,
    ),
    "ingram_nl-100": _ingram(
        "NL-100",
        """
        train.txt 545553 db0e8a2709235cc0ea5e2acac0b832617ebf1c23e8a5ee7c28d114f840c5622e
        msg.txt 204516 15a8c2279787e7f34b970dc2ad6e795a2fd87b64b3a98c9d1671b81970dcdddf
        valid.txt 67387 039547e15c5aa4d0d7e5fd6514482c1fdba4ee6143091ebf7b90c4f0f2a291aa
        test.txt 67441 26e7a862aa409d51c9abdd95a0064ca8942a2d49daa106c6446b0ed306f17df2
        """,
    ),
    "ingram_wk-25": _ingram(
        "WK-25",
        """
        train.txt 852298 ba9e3aece5974809cc99816f453077201f546d013bd3801759caa126b595f1c2
        msg.txt 68026 da1b02104fe9d351383b6a17b303d5aaa1ec2da599b77438d6e971dc16185d66
        valid.txt 22197 5a41c6cc5cfad009b3201908bd243044920b358bd3d2314b9ceca52fd4891819
        test.txt 22111 9491ba3fbd7fe7d8e6854e9a9944797d20c1366f7eb6ad28ebecc9dcd0d8ad00
        """,
    ),
    "ingram_wk-75": _ingram(
        "WK-75",
        """
        train.txt 582850 8a7ff42048c3ff5bc248dd30d779b0d184d1c8c9398b642d30601b6d7ae90033
        msg.txt 68846 5b759dd362a0e67746296a6e336c064007feb937b648b60998f2bebe6c8d31a0
        valid.txt 22430 007f67b42c37c8c56fe7be7cc8e77a5b58918cd14a6828c8fd4fad09ce7bedd5
        test.txt 22357 0ca70e7f6a10bf41a7f3a5895936c54b0f7694db3a7d1337eea29bd9779655ed
        """,
    ),
    "ingram_wk-100": _ingram(
        "WK-100",
        """
        train.txt 996632 13d6fddf267b93c1784abbc8fd9ff0bc7518d3900abfbc303086a7fb4af87877
        msg.txt 270074 39ae655328629114377dc1eae8bc6973699d1928ab3a3a758ca12462ec7e3c0a
        valid.txt 89245 ef6f62e0e65f4fd942ab01cedd3142513e4de34ca6bc318e839f79e16c272c4a
        test.txt 89298 243b4b05313dce83a26bdebabde7308bc77b390b1430b216a795abbf20a13c16
        """,
    ),
}
