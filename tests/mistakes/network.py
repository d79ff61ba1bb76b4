"""Servers and archives, and weights that have to come from somewhere."""

from tests.mistakes.desk import CHECK, PREPARE, TRAIN, Mistake, archive, cut, file, pictures, several

NETWORK: dict[str, Mistake] = {
    "no server": Mistake(
        f"{PREPARE} url=http://127.0.0.1:9/a.zip",
        "cannot download http://127.0.0.1:9/a.zip: there is no connection (Connection refused)",
    ),
    "another protocol": Mistake(
        f"{PREPARE} url=ftp://127.0.0.1/a.zip",
        "ftp://127.0.0.1/a.zip is no address to download from: it must begin with http:// or "
        "https://; a file that is here already is given by task.archive=FILE",
    ),
    "a file for an address": Mistake(
        f"{PREPARE} url=set5.zip",
        "set5.zip is no address to download from: it must begin with http:// or https://; a file "
        "that is here already is given by task.archive=FILE",
    ),
    "no attempt": Mistake(
        f"{PREPARE} url=http://127.0.0.1:9/a.zip attempts=0",
        "task.attempts=0 must be 1 or more",
    ),
    "an address and a file": Mistake(
        f"{PREPARE} url=http://127.0.0.1:9/a.zip archive=x.zip",
        "task.url=http://127.0.0.1:9/a.zip and task.archive=x.zip: give one of the two",
    ),
    "an address and no download": Mistake(
        f"{PREPARE} url=http://127.0.0.1:9/a.zip download=false",
        "task.download=false fetches nothing, so task.url=http://127.0.0.1:9/a.zip would not be used",
    ),
    "no download": Mistake(
        f"{PREPARE} download=false",
        "Set5: not there\n"
        "  by hand: download benchmark.tar from https://cv.snu.ac.kr/research/EDSR/benchmark.tar in "
        "any way\n"
        "  then: the same command with task.archive=FILE unpacks, counts and places it (zip or tar), "
        "or put the 5 images into data/Set5/HR\n"
        "  terms of Set5: no licence is stated; collected for research "
        "(http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html)",
    ),
    "a server that breaks off": Mistake(
        f"{PREPARE} url={{url}}",
        "cannot download http://…/set.zip: the connection ended after 100 of 5000 bytes; 100 bytes "
        "are kept in data/archives/set.zip.part, the same command goes on from there",
        served={"break_after": [100]},
    ),
    "a server that resets": Mistake(
        f"{PREPARE} url={{url}}",
        "cannot download http://…/set.zip: the connection broke (Remote end closed connection "
        "without response)",
        served={"reset": [True]},
    ),
    "a server that has it not": Mistake(
        f"{PREPARE} url={{url}}",
        "cannot download http://…/set.zip: the server answers 404 Not Found",
        served={"status": [404]},
    ),
    "a server that is busy": Mistake(
        f"{PREPARE} url={{url}}",
        "cannot download http://…/set.zip: the server answers 503 Service Unavailable",
        served={"status": [503]},
    ),
    "a web page": Mistake(
        f"{PREPARE} url={{url}}",
        "cannot download http://…/set.zip: it answers with a web page, not with a file",
        served={"kind": "text/html"},
    ),
    "no archive": Mistake(
        f"{PREPARE} url={{url}}",
        "data/archives/set.zip is no zip or tar file, or it was cut off at its beginning",
        served={},
    ),
    "more than the disk holds": Mistake(
        f"{PREPARE} url={{url}}",
        "… GB are free in data/archives, but the archive and its images need 2000000.0 GB; make "
        "room, or set data_dir=FOLDER on a larger disk",
        served={"announced": 10**15},
    ),
    "no archive of that name": Mistake(
        f"{PREPARE} archive=x.zip",
        "task.archive=x.zip: there is no such file",
    ),
    "a text for an archive": Mistake(
        f"{PREPARE} archive=x.zip",
        "x.zip is no zip or tar file, or it was cut off at its beginning",
        given=file("x.zip", "hello"),
    ),
    "a set that is not in it": Mistake(
        f"{PREPARE} archive=x.zip",
        "Set5 is not in data/Set5, and its 5 images were not found in x.zip, which holds Other (1)\n"
        "  by hand: download benchmark.tar from https://cv.snu.ac.kr/research/EDSR/benchmark.tar in "
        "any way\n"
        "  then: the same command with task.archive=FILE unpacks, counts and places it (zip or tar), "
        "or put the 5 images into data/Set5/HR\n"
        "  terms of Set5: no licence is stated; collected for research "
        "(http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html)",
        given=archive("x.zip", "Other/a.png"),
    ),
    "a folder that is a file": Mistake(
        f"{PREPARE} data_dir=espcn.pth url=http://127.0.0.1:9/a.zip",
        "espcn.pth: File exists; something of that name is there already, a file perhaps where a "
        "folder is needed",
    ),
    "no weights of VGG": Mistake(
        f"{TRAIN} loss=perceptual",
        "the weights of VGG19 are not to be had: …/torch/hub/checkpoints/vgg19-dcbb9e9d.pth does not "
        "exist, and the download from https://download.pytorch.org/models/vgg19-dcbb9e9d.pth failed "
        "(<urlopen error [Errno 111] Connection refused>). Three ways to mend it: put "
        "vgg19-dcbb9e9d.pth into …/torch/hub/checkpoints; name a file with "
        "loss.terms.NAME.loss.weights=FILE (in a loss) or metric.NAME.weights=FILE (in a metric); or "
        "go online and start again",
    ),
    "no file of weights": Mistake(
        f"{TRAIN} loss=perceptual loss.terms.perceptual.loss.weights=vgg.pth",
        "weights=vgg.pth: there is no such file; give one with the weights of VGG19, or weights=null "
        "for …/torch/hub/checkpoints/vgg19-dcbb9e9d.pth",
    ),
    "weights of another net": Mistake(
        f"{TRAIN} loss=perceptual loss.terms.perceptual.loss.weights=espcn.pth",
        "espcn.pth does not hold the weights of VGG19: features.0.weight should have the shape (64, "
        "3, 3, 3), and it is not there; give the file that was published",
    ),
    "no weights of LPIPS": Mistake(
        f"{TRAIN} metric=lpips",
        "the ImageNet weights of AlexNet are not at hand: put "
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth into …/torch/hub/checkpoints, "
        "name a file with metric.NAME.weights=FILE, or let metric.NAME.download=true fetch it",
    ),
    "weights of LPIPS from nowhere": Mistake(
        f"{TRAIN} metric=lpips metric.lpips.download=true",
        "the weights of AlexNet are not to be had: …/torch/hub/checkpoints/alexnet-owt-7be5be79.pth "
        "does not exist, and the download from "
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth failed (<urlopen error [Errno "
        "111] Connection refused>). Three ways to mend it: put alexnet-owt-7be5be79.pth into "
        "…/torch/hub/checkpoints; name a file with loss.terms.NAME.loss.weights=FILE (in a loss) or "
        "metric.NAME.weights=FILE (in a metric); or go online and start again",
    ),
    "no weights of DISTS": Mistake(
        f"{TRAIN} metric=dists",
        "the ImageNet weights of VGG16 are not at hand: put "
        "https://download.pytorch.org/models/vgg16-397923af.pth into …/torch/hub/checkpoints, name a "
        "file with metric.NAME.weights=FILE, or let metric.NAME.download=true fetch it",
    ),
    "no model of NIQE": Mistake(
        f"{TRAIN} metric=niqe",
        "NIQE's pristine model is not at hand: put niqe_pris_params.npz (it is in BasicSR's "
        "source archive and in MMagic's wheel; unpacked, neither needs installing) or "
        "modelparameters.mat (of the authors' NIQE release) into …/torch/hub/checkpoints; or name "
        "it with metric.niqe.parameters=FILE",
    ),
    "a broken model of NIQE": Mistake(
        f"{TRAIN} metric=niqe metric.niqe.parameters=x.mat",
        "x.mat cannot be read as NIQE's pristine model (MatReadError): give a .npz or a .mat file "
        "(of version 7 or older)",
        given=file("x.mat", "hello"),
    ),
    "a broken picture": Mistake(
        CHECK.replace("photos", "p"),
        "cannot read the image p/9.png: it is cut short in its chunk IDAT; fetch it again",
        given=several(pictures("p"), cut("photos/0.png", "p/9.png", 200)),
    ),
}
