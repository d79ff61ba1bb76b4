"""CITATION.cff is what programs that read it expect, and says what the package says of itself."""

import re
import tomllib

import yaml

import sr_experiments
from tests.conftest import ROOT

# Of the schema of CFF 1.2.0: what must be there, and what else is used here.
NEEDED = {"cff-version", "message", "title", "authors"}
ALLOWED = NEEDED | {"abstract", "type", "version", "date-released", "license", "keywords", "doi", "url"}
ALLOWED |= {"repository-code", "identifiers", "references", "preferred-citation", "contact", "commit"}


def test_the_citation_file_is_valid_and_agrees_with_the_package() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert set(cited) >= NEEDED
    assert set(cited) <= ALLOWED
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] in ("software", "dataset")
    assert all(isinstance(value, str) for value in (cited["message"], cited["title"], cited["abstract"]))
    assert cited["keywords"]
    assert all(isinstance(word, str) for word in cited["keywords"])
    for author in cited["authors"]:  # an entity has a name, a person family-names or given-names
        assert set(author) & {"name", "family-names", "given-names"}
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert str(cited["version"]) == sr_experiments.__version__
    assert cited["license"] == project["license"]


def test_the_readmes_bibtex_says_the_same() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    entry = re.search(r"```bibtex\n(@software\{.*?\n\})\n```", readme, re.DOTALL)
    assert entry is not None
    fields = dict(re.findall(r"(\w+) *= \{(.*)\},", entry[1].replace("\\_", "_")))
    assert fields["title"] == cited["title"]
    assert fields["author"] == f"{{{cited['authors'][0]['name']}}}"
    assert fields["version"] == str(cited["version"])
    assert fields["license"] == cited["license"]


def test_the_comparison_cites_what_it_claims() -> None:
    """Every source that is named is given, and every one that is given is named; most by their commit."""
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    given = dict(re.findall(r"^\[([\w-]+)\]: (https://\S+)$", page, re.MULTILINE))
    named = set(re.findall(r"\]\[([\w-]+)\]", page))
    assert named == set(given)
    at_commit = [url for url in given.values() if re.search(r"/blob/[0-9a-f]{40}/", url)]
    assert len(at_commit) > 20
    for name in ("BasicSR", "KAIR", "traiNNer-redux", "neosr", "mmagic", "opensr-srgan"):
        assert name in page
