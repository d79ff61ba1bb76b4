"""Values of training that can not be meant, and devices that are not there."""

from tests.mistakes.desk import EVALUATE, TRAIN, Mistake

VALUES: dict[str, Mistake] = {
    "a rate below nothing": Mistake(
        f"{TRAIN} optimizer.lr=-1",
        "optimizer.lr=-1: must be 0 or more",
    ),
    "a rate that is no number": Mistake(
        f"{TRAIN} optimizer.lr=nan",
        "optimizer.lr=nan: must be 0 or more",
    ),
    "bands of a picture": Mistake(
        f"{TRAIN} callbacks.images.bands=[4,3,2]",
        "callbacks.images.bands=[4, 3, 2]: give one band or three (red, green, blue) of 1 to 3, the number "
        "of channels",
    ),
    "a window without a range": Mistake(
        f"{TRAIN} metric=psnr_window",
        "metric.psnr_window.window=[40, 400] needs data.range=[LOW,HIGH], in whose unit it is",
    ),
    "a range that is none": Mistake(
        f"{TRAIN} data.range=[3,3]",
        "data.range=[3, 3]: the range [3, 3] is none: give [LOW, HIGH], LOW below HIGH",
    ),
    "a layout": Mistake(
        f"{TRAIN} memory_format=nhwc",
        "memory_format=nhwc: choose one of auto, contiguous, channels_last",
    ),
    "a way to compile": Mistake(
        f"{TRAIN} compile=max-autotune",
        "compile=max-autotune: choose one of auto, true, false, reduce-overhead",
    ),
    "compiled for several sizes": Mistake(
        f"{TRAIN} compile=true data.scales=[2,3] model=vdsr",
        "compile=true: with data.scales a net sees enlarged images of several sizes, which is not compiled; "
        "compile=false",
    ),
    "compiled and computed again": Mistake(
        f"{TRAIN} compile=true activation_checkpointing=true",
        "compile=true and activation_checkpointing=true: torch.compile decides by itself what is kept for "
        "the gradient; choose one of them",
    ),
    "blocks that are not there": Mistake(
        f"{TRAIN} model=srvgg activation_checkpointing=true",
        "activation_checkpointing=true: SRVGG has no repeated blocks of several layers whose inside could be "
        "computed again; activation_checkpointing=false",
    ),
    "blocks with statistics": Mistake(
        f"{TRAIN} model=srresnet activation_checkpointing=true",
        "activation_checkpointing=true: the blocks of SRResNet have batch normalisation, whose statistics "
        "would be moved twice in a step; activation_checkpointing=false",
    ),
    "fused steps of scaled gradients": Mistake(
        f"{TRAIN} precision=16-mixed optimizer.fused=true",
        "optimizer.fused=true: with precision=16-mixed gradients are scaled until the step is made, and "
        "nothing could look at them before; optimizer.fused=null or bf16-mixed",
    ),
    "a beta": Mistake(
        f"{TRAIN} optimizer.betas=[0.9,1.5]",
        "optimizer.betas=[0.9, 1.5]: 1.5 must be 0 or more and less than 1",
    ),
    "one beta": Mistake(
        f"{TRAIN} optimizer.betas=[0.9]",
        "optimizer.betas=[0.9]: must be tuple[float | Tensor, float | Tensor], not list of float",
    ),
    "a schedule's key": Mistake(
        f"{TRAIN} schedule.warmup_steps=5",
        "schedule.warmup_steps: no such key. Did you mean 'schedule.warmup'? schedule has: warmup, "
        "interval, scheduler.",
    ),
    "epochs": Mistake(
        f"{TRAIN} trainer.max_epochs=-2",
        "trainer.max_epochs=-2: must be -1 or more (-1: without end)",
    ),
    "a length of time": Mistake(
        f"{TRAIN} trainer.max_time=60",
        "trainer.max_time=60: must be DD:HH:MM:SS, such as 00:08:00:00 for eight hours",
    ),
    "a time in words": Mistake(
        f"{TRAIN} trainer.max_time=soon",
        "trainer.max_time=soon: must be DD:HH:MM:SS, such as 00:08:00:00 for eight hours",
    ),
    "a time by its unit": Mistake(
        f"{TRAIN} trainer.max_time={{hours:8}}",
        "trainer.max_time={'hours': 8}: must be DD:HH:MM:SS, such as 00:08:00:00 for eight hours",
    ),
    "no batches for a step": Mistake(
        f"{TRAIN} trainer.accumulate_grad_batches=0",
        "trainer.accumulate_grad_batches=0: must be 1 or more",
    ),
    "a negative clip": Mistake(
        f"{TRAIN} trainer.gradient_clip_val=-1",
        "trainer.gradient_clip_val=-1: must be 0 or more",
    ),
    "a way to clip": Mistake(
        f"{TRAIN} trainer.gradient_clip_val=1 trainer.gradient_clip_algorithm=nrom",
        "`gradient_clip_algorithm` nrom is invalid. Allowed algorithms: ['value', 'norm'].",
    ),
    "never validated": Mistake(
        f"{TRAIN} trainer.check_val_every_n_epoch=0",
        "trainer.check_val_every_n_epoch=0: must be 1 or more",
    ),
    "no batches": Mistake(
        f"{TRAIN} +trainer.limit_train_batches=0",
        "trainer.limit_train_batches=0: nothing would be done; leave it away",
    ),
    "a dry run": Mistake(
        f"{TRAIN} +trainer.fast_dev_run=true",
        "trainer.fast_dev_run leaves nothing to test; a short run is trainer.max_epochs=1 "
        "data.steps_per_epoch=1",
    ),
    "a weight that is a word": Mistake(
        "loss=perceptual loss.terms.l1.weight=much",
        "loss.terms.l1.weight='much': must be float, not str",
    ),
    "a negative weight": Mistake(
        f"{TRAIN} loss=l1_ms_ssim loss.terms.l1.weight=-1",
        "loss.terms.l1.weight=-1: must be a number of 0 (watched) or more",
    ),
    "a loss of nothing": Mistake(
        f"{TRAIN} ~loss.terms.l1",
        "loss.terms is empty: give at least one term, NAME: {weight: 1.0, loss: ...}",
    ),
    "patches too small for the loss": Mistake(
        f"{TRAIN} loss=ms_ssim",
        "MS-SSIM with levels=3 needs images of at least 41 pixels a side, and these are 16x16: "
        "levels=1 would fit; or take larger patches",
    ),
    "patches too small for the discriminator": Mistake(
        f"{TRAIN} loss=gan",
        "PatchGAN got patches of 16 x 16 pixels and takes 24 x 24 or more: set data.patch_size=24 or "
        "more, or choose fewer discriminator.layers",
    ),
    "one value for each channel": Mistake(
        f"{TRAIN} loss=gan discriminator=srgan",
        "batch normalisation needs more than one value per channel: raise data.batch_size or data.patch_size",
    ),
    "another number of channels for the discriminator": Mistake(
        f"{TRAIN} loss=gan channels=1 discriminator.in_channels=3",
        "PatchGAN got images with 1 channels and was built for 3: set channels=1, or leave "
        "discriminator.in_channels as it was",
    ),
    "an adversary alone": Mistake(
        f"{TRAIN} adversary=hinge",
        "adversary is used by an adversarial objective (loss=gan, srgan, esrgan or real_esrgan) "
        "only; this loss would not feel it",
    ),
    "features below nothing": Mistake(
        f"{TRAIN} net.features=-1",
        "net can not be built with scale=2, in_channels=3, features=-1, mapped_features=32: Trying "
        "to create tensor with negative dimension -1: [-1, 3, 5, 5]",
    ),
    "kernels without features": Mistake(
        f"{TRAIN} model=srcnn net.features=[8]",
        "kernels=[9, 5, 5], features=[8]: SRCNN takes three odd kernels, as [9, 5, 5], and two "
        "numbers of features, as [64, 32]",
    ),
    "an option of spandrel's": Mistake(
        f"{TRAIN} model=spandrel/swinir +net.options.embed=3",
        "options.embed: spandrel's SwinIR has no such option. Did you mean 'embed_dim'? It takes: "
        "img_size, patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio, qkv_bias, "
        "qk_scale, drop_rate, attn_drop_rate, drop_path_rate, ape, patch_norm, use_checkpoint, "
        "img_range, upsampler, resi_connection",
    ),
    "a scale that spandrel's net has not": Mistake(
        f"{TRAIN} model=spandrel/swinir scale=1",
        "scale=1: SwinIR is defined for scale 2, 3, 4, 8",
    ),
    "one net for several scales": Mistake(
        f"{TRAIN} data.scales=[2,3]",
        "data.scales trains one set of weights for several scales; ESPCN has an upsampler of its own "
        "for each. Choose a net that works on the enlarged image, such as model=vdsr or model=srcnn, "
        "or data.scales=null",
    ),
    "an average that forgets": Mistake(
        f"{TRAIN} model.ema=2",
        "ema=2: the decay must be at least 0 and less than 1 (null: no average)",
    ),
    "a layer that VGG has not": Mistake(
        f"{TRAIN} loss=perceptual 'loss.terms.perceptual.loss.layers={{conv9_9: 1.0}}'",
        "loss.terms.perceptual.loss.layers.conv9_9: no such key. Did you mean "
        "'loss.terms.perceptual.loss.layers.conv5_4'? loss.terms.perceptual.loss.layers has: conv5_4.",
    ),
    "a key of wandb's": Mistake(
        f"{TRAIN} logger=wandb logger.wandb.mode=foo",
        "logger.wandb.mode: no such key. Did you mean 'logger.wandb.name'? logger.wandb has: project, "
        "entity, name, group, tags, offline, timeout, finish_timeout, pictures, pictures_every, histograms, "
        "checkpoint.",
    ),
    "no time for wandb": Mistake(
        f"{TRAIN} logger=wandb logger.wandb.timeout=0",
        "logger.wandb.timeout=0: must be 1 or more",
    ),
    "pictures below nothing": Mistake(
        f"{TRAIN} logger=wandb logger.wandb.pictures=-1",
        "logger.wandb.pictures=-1: must be 0 or more",
    ),
}

DEVICES: dict[str, Mistake] = {
    "no GPU": Mistake(
        f"{TRAIN} trainer=gpu",
        "trainer.accelerator=gpu: torch finds no GPU here (it was built …; nvidia-smi tells whether "
        "the driver finds one): trainer=cpu, or trainer=auto for what there is",
        without_gpu=True,
    ),
    "four GPUs": Mistake(
        f"{TRAIN} trainer=gpu trainer.devices=4",
        "trainer.accelerator=gpu: torch finds no GPU here (it was built …; nvidia-smi tells whether "
        "the driver finds one): trainer=cpu, or trainer=auto for what there is",
        without_gpu=True,
    ),
    "no GPU to evaluate on": Mistake(
        EVALUATE.replace("trainer=cpu", "trainer=gpu checkpoint=run"),
        "trainer.accelerator=gpu: torch finds no GPU here (it was built …; nvidia-smi tells whether "
        "the driver finds one): trainer=cpu, or trainer=auto for what there is",
        without_gpu=True,
    ),
    "no Apple": Mistake(
        f"{TRAIN} trainer.accelerator=mps",
        "trainer.accelerator=mps: torch finds no GPU of Apple's here: trainer=cpu, or trainer=auto for what "
        "there is",
    ),
    "no TPU": Mistake(
        f"{TRAIN} trainer.accelerator=tpu",
        "trainer: Requirement 'torch_xla>=1.13' not met. HINT: Try running `pip install -U "
        "'torch_xla>=1.13'`",
    ),
    "a kind of device": Mistake(
        f"{TRAIN} trainer.accelerator=cuad",
        "trainer.accelerator=cuad: choose one of auto, cpu, gpu, cuda, mps, tpu",
    ),
    "no devices": Mistake(
        f"{TRAIN} trainer.devices=0",
        "trainer.devices=0: must be auto, a number of devices, or a list of GPUs such as [0,1]",
    ),
    "devices in words": Mistake(
        f"{TRAIN} trainer.devices=two",
        "trainer.devices=two: must be auto, a number of devices, or a list of GPUs such as [0,1]",
    ),
    "numbers of GPUs on the CPU": Mistake(
        f"{TRAIN} trainer.devices=[0,1]",
        "trainer.devices=[0, 1]: a list names GPUs; on the CPU it is a number of processes",
    ),
    "a strategy": Mistake(
        f"{TRAIN} trainer.strategy=dpp",
        "trainer.strategy=dpp: choose one of auto, ddp, ddp_find_unused_parameters_true",
    ),
    "a strategy for GPUs": Mistake(
        f"{TRAIN} trainer.strategy=fsdp",
        "trainer.strategy=fsdp: choose one of auto, ddp, ddp_find_unused_parameters_true",
    ),
    "a strategy that is not installed": Mistake(
        f"{TRAIN} trainer.accelerator=auto trainer.strategy=deepspeed",
        "trainer.strategy=deepspeed: choose one of auto, ddp, ddp_find_unused_parameters_true",
        without_gpu=True,
    ),
    "a strategy to evaluate with": Mistake(
        f"{EVALUATE} checkpoint=run trainer.strategy=dpp",
        "trainer.strategy=dpp: choose one of auto, ddp, ddp_find_unused_parameters_true",
    ),
    "several devices to evaluate with": Mistake(
        f"{EVALUATE} checkpoint=run trainer.devices=2",
        "trainer.devices=2: this task works on one device: trainer.devices=1, or [2]",
    ),
    "float16 on a CPU": Mistake(
        f"{TRAIN} precision=16-mixed",
        "precision=16-mixed needs a GPU; on the CPU choose bf16-mixed, 32-true or auto",
    ),
    "no machines": Mistake(
        f"{TRAIN} trainer.num_nodes=0",
        "trainer.num_nodes=0: must be 1 or more",
    ),
}
