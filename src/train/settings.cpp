#include "mpira/train/settings.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

SettingSpec text(std::string key, SettingValue fallback, std::string summary,
                 std::vector<std::string> choices = {}, Affects affects = Affects::result) {
    return {.key = std::move(key),
            .kind = SettingKind::text,
            .fallback = std::move(fallback),
            .summary = std::move(summary),
            .affects = affects,
            .choices = std::move(choices)};
}
SettingSpec flag(std::string key, bool fallback, std::string summary) {
    return {.key = std::move(key),
            .kind = SettingKind::flag,
            .fallback = fallback,
            .summary = std::move(summary)};
}
SettingSpec texts(std::string key, std::string summary) {
    return {.key = std::move(key),
            .kind = SettingKind::texts,
            .fallback = std::vector<std::string>{},
            .summary = std::move(summary)};
}
SettingSpec integer(std::string key, std::int64_t fallback, double least, double most, std::string summary,
                    Affects affects = Affects::result) {
    return {.key = std::move(key),
            .kind = SettingKind::integer,
            .fallback = fallback,
            .summary = std::move(summary),
            .affects = affects,
            .least = least,
            .most = most};
}
SettingSpec number(std::string key, double fallback, double least, double most, std::string summary,
                   Affects affects = Affects::result) {
    return {.key = std::move(key),
            .kind = SettingKind::number,
            .fallback = fallback,
            .summary = std::move(summary),
            .affects = affects,
            .least = least,
            .most = most};
}

}  // namespace

std::vector<SettingSpec> train_schema() {
    return {
        text("atlas", {}, "Regions, features and targets: an .h5ad that `mpira features` wrote."),
        text("target.kind", "accessibility",
             "The stage: accessibility (of a cell type, from motifs alone), expression, or masked "
             "(pretraining: "
             "masked regions are rebuilt from the others).",
             {"accessibility", "expression", "masked"}),
        texts("target.cell_type",
              "Cell types of the atlas, all in one training table; \"*\": every one. Their accessibility is "
              "the "
              "target (accessibility), or the last input column and the choice of rows."),
        texts("target.expression",
              "Expression columns of the atlas to predict, '+' strand first (expression only). With several "
              "cell "
              "types each name holds {cell_type}, which stands for theirs."),
        number("target.least_accessibility", 0, 0, kInfinity,
               "Expression counts as 0 where a region is less accessible than this (published: 0.05)."),
        integer("target.permute_labels", -1, -1, 9e15,
                "A seed: labels are permuted among the scored entries. Nothing can be learned then, so a "
                "held-out "
                "correlation is a leak. -1: no."),
        number("mask.ratio", 0.5, 0.001, 1, "Share of a window's regions that is masked (masked only)."),
        text("mask.draw", "exact",
             "exact: floor(ratio x regions) of every window; bernoulli: each region by itself.",
             {"exact", "bernoulli"}),
        text("init.weights", "",
             "Weights to start from; the widths are theirs, and the head is drawn anew where it is for "
             "something "
             "else. Empty: fresh weights."),
        integer("lora.rank", 0, 0, 4096,
                "0: all weights are trained. Otherwise those of init.weights are frozen and adaptors of this "
                "rank "
                "trained (published: 8; 4 gives an adaptor of 2.4 MB)."),
        number("lora.alpha", 1, 1e-9, 1e9, "W + (alpha / rank) B A."),
        text(
            "lora.scope", "encoder",
            "Layers with adaptors: encoder (region embedding and encoder, the head is trained in full), all, "
            "or "
            "kinds with commas between them (embed, qkv, proj, fc1, fc2, head)."),
        text("input.accessibility", "constant",
             "Last input column of an expression or masked model: 1 everywhere, 1 with open regions as the "
             "only "
             "rows, or the measured value (clipped at 1). An accessibility model always sees 1.",
             {"constant", "binarised", "quantitative"}),
        text("input.rows", "all",
             "Regions that windows are made of: all, or those accessible in the cell type. binarised needs "
             "accessible.",
             {"all", "accessible"}),
        number("input.least_accessibility", 0, 0, kInfinity,
               "With input.rows = \"accessible\": regions below this are left out (published bulk data: log "
               "aCPM 0.03, on the atlas's scale)."),
        texts(
            "input.cutoffs",
            "Augmentation for few cell types: each cutoff makes windows of the regions that are at least as "
            "accessible, on the atlas's scale, beside those of all of input.rows = \"accessible\"; for "
            "training only. Ascending, as [0.6, 0.75]; what values there are, depends on the atlas."),
        text("input.scale_set", "all_regions",
             "Scale set of the atlas: feature = min(1, raw / scale). cell_type: each cell type's own."),
        texts("input.left_out_motifs", "Motif columns that are 0 for this model, in training and after it."),
        texts("holdout.regions",
              "Test intervals, 0-based half-open: [\"chr2R:1000000-2000000\"]. A region is held out when its "
              "centre lies in one; regions that overlap one without that are used for nothing."),
        texts("holdout.chromosomes", "Test chromosomes: [\"chr10\", \"chr11\"]."),
        texts(
            "holdout.cell_types",
            "Test cell types, of those in target.cell_type. With intervals too, the test set is the held-out "
            "regions in these cell types, and training sees neither."),
        texts("holdout.motifs",
              "Training goes without the regions that carry one of these motifs; they are still scored."),
        number("holdout.motif_cutoff", 0, 0, 1, "Carrying: the scaled feature is larger than this."),
        text("holdout.folds", "",
             "Folds, the alternative to regions and chromosomes: a table (fold, chromosome, start, end; "
             "tabs), "
             "a fold file as of ChromBPNet or `mpira split` (JSON), or a folder of these. A fold file says "
             "what is held out, what validates, and what alone is trained on."),
        text("holdout.fold", "",
             "The one to hold out: its name in the table, or its file's without .json. A fold file by itself "
             "needs no name."),
        integer(
            "holdout.margin_bp", 0, 0, 1e9,
            "Regions nearer than this to a held-out interval are used for nothing. Half the scan length of "
            "the atlas keeps all bases of the interval out of training's scan windows; the whole of it those "
            "of a test "
            "region's scan window, too, which may reach beyond the interval. The margin of a fold "
            "file counts where it is larger."),
        text("validation.mode", "next",
             "Where the best epoch is chosen, never in the test set: next (where a fold file says, else the "
             "fold, chromosome, block or cell type after the held-out one), the given regions (or cell "
             "types), or none (the last epoch is kept).",
             {"next", "regions", "none"}),
        texts("validation.regions", "Validation intervals, for validation.mode = \"regions\"."),
        texts("validation.cell_types", "Validation cell types, for validation.mode = \"regions\"."),
        flag(
            "validation.test_curve", false,
            "Score the test set after every epoch too, for curves: never used to choose an epoch or to stop, "
            "and "
            "labelled so."),
        integer("window.regions", 200, 1, 1e5, "Consecutive regions of a window."),
        integer("window.max_span_bp", 5'000'000, 1, 1e10,
                "Training windows spanning more, from the first start to the last end, are left out."),
        text("model.kind", "get",
             "get, or a baseline: cnn and mlp, of fixed widths, are trained alike; ridge, forest and svr are "
             "fitted to single regions, an estimator an output, in `mpira folds` only.",
             {"get", "cnn", "mlp", "ridge", "forest", "svr"}),
        integer("model.dim", 768, 1, 1e5, "Width of a token."),
        integer("model.depth", 12, 1, 1000, "Encoder blocks."),
        integer("model.heads", 12, 1, 1000, "Attention heads; must divide model.dim."),
        number("model.mlp_ratio", 4, 0.01, 100, "Hidden width of the MLP over model.dim."),
        number("model.drop_path", 0.1, 0, 0.99,
               "Stochastic depth of the last block, rising linearly from 0 at the first."),
        number("baseline.alpha", 1, 1e-9, 1e12, "ridge: the penalty, alpha |coefficients|^2."),
        integer("baseline.trees", 10, 1, 1e6, "forest: trees whose mean is the prediction."),
        integer("baseline.depth", 10, 1, 64, "forest: splits between a tree's root and a leaf, at most."),
        flag("baseline.bootstrap", true,
             "forest: each tree has as many regions as there are, drawn with replacement; false: the regions "
             "themselves, which makes all trees the same."),
        number("baseline.epsilon", 0.2, 0, 1e6, "svr: errors up to this cost nothing."),
        number("baseline.c", 1, 1e-9, 1e9, "svr: the cost of errors beyond it, over that of coefficients."),
        number("baseline.tolerance", 1e-4, 1e-12, 1,
               "svr: ends when the violation of its optimum is this part of what it was at first, or after "
               "liblinear's 1,000 iterations."),
        integer("train.epochs", 100, 0, 1e7,
                "Passes over the training regions; 0 writes untrained weights, to plan with."),
        integer("train.batch", 256, 1, 1e6, "Windows of an optimiser step, over all ranks."),
        integer("train.micro_batch", 32, 1, 1e6,
                "Windows of one forward pass; a rank with more accumulates. Lower it when memory runs out."),
        number("train.lr", 1e-4, 0, 10, "Largest learning rate."),
        number("train.min_lr", 1e-6, 0, 10,
               "Learning rate at the start of the warm-up and the end of the cosine."),
        number("train.warmup_fraction", 0.1, 0, 1, "Share of all steps that is linear warm-up."),
        number("train.weight_decay", 0.05, 0, 10,
               "AdamW's decoupled decay; not applied to 1-D tensors, biases and the CLS token."),
        number("train.beta1", 0.9, 0, 0.999999, "AdamW."),
        number("train.beta2", 0.999, 0, 0.99999999, "AdamW."),
        number("train.eps", 1e-8, 0, 1, "AdamW."),
        number("train.input_dropout", 0, 0, 0.99,
               "Share of input values set to 0 in training, the others scaled up."),
        number("train.clip_gradient", 0, 0, kInfinity, "Largest L2 norm of the gradient; 0: no clipping."),
        flag("train.deterministic", false,
             "The same weights, to the bit, on 1, 2, 4, ... ranks (other numbers are refused); on GPUs this "
             "was not tried. Otherwise rank counts differ by float noise, on a GPU any two runs too, and "
             "sums over ranks overlap the backward pass."),
        number("train.bucket_mb", 25, 0.001, 1e5,
               "MiB of gradients that are summed over the ranks at a time, during the backward pass.",
               Affects::run),
        text("train.timeline", "",
             "A file for what each rank did in the first 20 steps, as Chrome trace JSON; look at it with "
             "https://ui.perfetto.dev.",
             {}, Affects::run),
        number("train.layer_decay", 1, 0.01, 1,
               "Factor on the learning rate a block further from the head (BEiT: 0.75); 1: none."),
        number("train.ema_decay", 0, 0, 0.999999,
               "Score and keep a running mean of the weights with this decay a step (0.9999); 0: the weights "
               "themselves."),
        integer("train.patience", 0, 0, 1e7,
                "Epochs without a smaller validation loss that end the run; 0: all epochs."),
        text(
            "train.precision", "f32",
            "bf16: forward passes compute matrix products in bfloat16; weights, sums and gradients stay f32.",
            {"f32", "bf16"}),
        text("train.products", "onednn",
             "On a CPU, what multiplies f32 matrices: as model.products of a screen.", {"onednn", "blas"}),
        integer("seed", 0, 0, 9e15, "Of the weights, the windows, and all dropout."),
        number(
            "checkpoint.every_s", 30, 0, kInfinity,
            "A checkpoint is written at the first end of an epoch that comes this long after the last one.",
            Affects::run),
        text("output", "", "The weights, .safetensors (or --output).", {}, Affects::run),
        text("device", "auto", "auto takes a GPU where there is one.", {"auto", "cpu", "cuda"}, Affects::run),
        integer("threads", 1, 1, 1024, "CPU threads of a rank; more cores are better used by more ranks."),
    };
}

Recipe recipe_of(Settings const& settings) {
    Recipe recipe{
        .epochs = settings.count("train.epochs"),
        .batch = settings.count("train.batch"),
        .micro_batch = settings.count("train.micro_batch"),
        .lr = settings.number("train.lr"),
        .min_lr = settings.number("train.min_lr"),
        .warmup_fraction = settings.number("train.warmup_fraction"),
        .weight_decay = settings.number("train.weight_decay"),
        .adamw = {.beta1 = settings.number("train.beta1"),
                  .beta2 = settings.number("train.beta2"),
                  .eps = settings.number("train.eps")},
        .input_dropout = settings.number("train.input_dropout"),
        .clip_gradient = settings.number("train.clip_gradient"),
        .layer_decay = settings.number("train.layer_decay"),
        .ema_decay = settings.number("train.ema_decay"),
        .patience = settings.count("train.patience"),
        .arithmetic = {.bf16 = settings.text("train.precision") == "bf16",
                       .products = model::products_of(settings.text("train.products"))},
        .mask = {.ratio = settings.number("mask.ratio"),
                 .draw = settings.text("mask.draw") == "exact" ? MaskDraw::exact : MaskDraw::bernoulli},
        .seed = settings.count("seed"),
        .deterministic = settings.flag("train.deterministic"),
        .bucket_bytes = static_cast<std::uint64_t>(settings.number("train.bucket_mb") * 0x1p20),
        .timeline = settings.path("train.timeline")};
    if (recipe.min_lr > recipe.lr) settings.refuse("train.min_lr", "is larger than train.lr");
    if (recipe.patience > 0 && settings.text("validation.mode") == "none") {
        settings.refuse("train.patience", "needs a validation set; validation.mode is \"none\"");
    }
    return recipe;
}

model::HeadKind head_of(Settings const& settings) {
    auto const& kind = settings.text("target.kind");
    if (kind == "masked") return model::HeadKind::masked;
    return kind == "expression" ? model::HeadKind::expression : model::HeadKind::accessibility;
}

std::vector<std::string> output_names(Settings const& settings) {
    if (head_of(settings) != model::HeadKind::expression) return {"accessibility"};
    std::vector<std::string> names;
    for (auto const& column : settings.texts("target.expression"))
        names.push_back(model::output_name_of(column));
    return names;
}

model::GetConfig network_of(Settings const& settings, std::uint64_t motifs, model::GetConfig const* base) {
    model::GetConfig config;
    if (base != nullptr) {
        config = *base;
        auto const same = [&](char const* key, auto ours, auto theirs) {
            if (ours != theirs)
                settings.refuse_given(key, fmt::format("it is {} in init.weights; leave it out", theirs));
        };
        same("model.dim", settings.integer("model.dim"), base->dim);
        same("model.depth", settings.integer("model.depth"), base->depth);
        same("model.heads", settings.integer("model.heads"), base->heads);
        same("model.mlp_ratio", settings.number("model.mlp_ratio"), base->mlp_ratio);
    } else {
        config.dim = settings.integer("model.dim");
        config.depth = settings.integer("model.depth");
        config.heads = settings.integer("model.heads");
        config.mlp_ratio = settings.number("model.mlp_ratio");
    }
    config.features = static_cast<std::int64_t>(motifs) + 1;
    config.drop_path = settings.number("model.drop_path");
    config.head = head_of(settings);
    switch (config.head) {
        case model::HeadKind::accessibility:
            config.outputs = 1;
            break;
        case model::HeadKind::masked:
            config.outputs = config.features;
            break;
        case model::HeadKind::expression:
            config.outputs = std::ssize(settings.texts("target.expression"));
            if (config.outputs == 0) settings.refuse("target.expression", "name the columns to predict");
    }
    config.require_valid(settings.source());
    return config;
}

}  // namespace mpira::train
