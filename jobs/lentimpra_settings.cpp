#include <algorithm>
#include <string>

#include "jobs/lentimpra.hpp"
#include "jobs/script_trust.hpp"

namespace mpira::jobs {

std::vector<SettingSpec> lentimpra_settings() {
    using Kind = SettingKind;
    using Texts = std::vector<std::string>;
    auto const integer = [](std::int64_t value) { return SettingValue(value); };
    auto const text = [](char const* value) { return SettingValue(std::string(value)); };
    // Files may move between runs: a campaign is identified by what is in them.
    std::vector<SettingSpec> specs{
        {"seed",
         Kind::integer,
         integer(1),
         "Campaign seed: sites and shuffles are drawn from it.",
         Affects::result,
         {},
         0,
         9e15},
        {"atlas.file",
         Kind::text,
         {},
         "Atlas (.h5ad) that the features job wrote: the genome's regions.",
         Affects::run},
        {"atlas.cell_type", Kind::text, text(""),
         "Cell type whose accessibility fills the accessibility column and, with sites.regions = "
         "\"accessible\", chooses the regions; its scales divide windows and elements of a model that was "
         "trained with input.scale_set = \"cell_type\". Empty: the model's own."},

        {"elements.fasta", Kind::text, text(""),
         "Elements as FASTA (.gz too), one record each. Give this or elements.bed.", Affects::run},
        {"elements.bed", Kind::text, text(""),
         "Elements as BED intervals (.gz too) of elements.genome. Those on strand - (column 6) are "
         "reverse-complemented.",
         Affects::run},
        {"elements.genome", Kind::text, text(""), "FASTA of the genome that elements.bed cuts from.",
         Affects::run},
        {"elements.vector", Kind::text, text(""),
         "FASTA with one record, the reporter, with the placeholder where the element goes. Empty: the "
         "element alone.",
         Affects::run},
        {"elements.placeholder", Kind::text, text("__Enhancer__"),
         "What stands for the element in elements.vector."},
        {"elements.groups", Kind::text, text(""),
         "TSV of element name and group, for model.weights_by_group. Or see elements.group_column.",
         Affects::run},
        {"elements.group_column",
         Kind::integer,
         integer(0),
         "Column (1-based) of elements.bed that holds the group, such as 7, behind the strand; 0: none.",
         Affects::result,
         {},
         0,
         1000},
        {"elements.scan_length_bp",
         Kind::integer,
         integer(-1),
         "Bases scanned for motifs, centred on the element in its vector; 0: the element alone; -1: as the "
         "atlas's regions were scanned.",
         Affects::result,
         {},
         -1,
         1e6},
        {"elements.scale",
         Kind::text,
         text("atlas"),
         "What element features are divided by: the atlas's scales, as the model was trained with, or (the "
         "reference) their maxima over this library, or those of the atlas elements.scanned_as over all its "
         "regions.",
         Affects::result,
         {"atlas", "library", "scanned_as"}},
        {"elements.scanned_as", Kind::text, text(""),
         "Where the atlas's features were imported (motifs.hits, gcell): an atlas of the same features and "
         "assembly that `mpira features` scanned; elements are scanned as its regions were.",
         Affects::run},

        {"model.weights", Kind::text, text(""),
         "Weights (.safetensors) of the model that is read. Give this or model.weights_by_group.",
         Affects::run},
        {"model.weights_by_group", Kind::text, text(""),
         "TSV of element group and weights file (relative to the TSV): each element is predicted by its "
         "group's model, such as one that never saw the element's locus.",
         Affects::run},
        {"model.unseen_locus",
         Kind::text,
         text("warn"),
         "Elements with a locus (BED) of which their model, or the weights that it began from, saw a base: "
         "refuse, warn, or ignore.",
         Affects::result,
         {"refuse", "warn", "ignore"}},
        {kInsertionBatch.key,
         Kind::integer,
         integer(0),
         "Windows of one forward pass. Results depend on it in the last bits, so it is fixed for a "
         "campaign. " +
             explain(kInsertionBatch),
         Affects::result,
         {},
         0,
         65536},
        precision_setting(),
        attention_setting(),
        products_setting(),
        {"model.shortcuts", Kind::flag, true,
         "Exact savings: one query in the last block, first block's projections once a region."},
        {"model.shared_embedding_mb",
         Kind::integer,
         integer(1024),
         "Memory that the second of them may take; with less it is left out.",
         Affects::result,
         {},
         0,
         1e7},
        {"model.check_every",
         Kind::integer,
         integer(0),
         "Every so many micro-batches are run by the plain forward too and compared; 0: never.",
         Affects::run,
         {},
         0,
         1e9},

        {"accessibility.weights", Kind::text, text(""),
         "Weights of a model with the accessibility head: also predict accessibility and its product with "
         "expression. Empty: none.",
         Affects::run},
        {"accessibility.weights_by_group", Kind::text, text(""),
         "The same by element group, as model.weights_by_group.", Affects::run},

        {"sites.insertions",
         Kind::integer,
         integer(600),
         "Insertion sites an element.",
         Affects::result,
         {},
         1,
         1e6},
        {"sites.mode",
         Kind::text,
         text("independent"),
         "independent: sites drawn anew for each element (the paper). shared: the same sites for all "
         "elements of a model, which removes site variance from comparisons (compare elements by paired "
         "differences then).",
         Affects::result,
         {"independent", "shared"}},
        {"sites.regions",
         Kind::text,
         text("model"),
         "Regions that windows consist of: as the model was trained, all, or those accessible in the cell "
         "type.",
         Affects::result,
         {"model", "all", "accessible"}},
        {"sites.chroms", Kind::texts, Texts{}, "Insert only on these chromosomes; empty: all."},
        {"sites.class",
         Kind::text,
         text("all"),
         "Insert only into such regions.",
         Affects::result,
         {"all", "promoter", "distal"}},
        {"sites.window",
         Kind::integer,
         integer(0),
         "Regions a window; 0: as the model was trained.",
         Affects::result,
         {},
         0,
         1e6},
        {"sites.focus",
         Kind::integer,
         integer(-1),
         "Position in the window of the region that is inserted into and read; -1: as the model was trained.",
         Affects::result,
         {},
         -1,
         1e6},
        {"sites.max_span_bp",
         Kind::integer,
         integer(5'000'000),
         "Windows that span more are no sites.",
         Affects::result,
         {},
         1,
         1e12},

        {"early_stop.se",
         Kind::number,
         0.0,
         "Look at an element after 64, 128, 256 and 512 insertions, and stop there if the standard error of "
         "its paired difference (element-uninserted) is at most this for each output, in the output's units: "
         "a tenth of the standard deviation between elements, say. 0: never. obs/insertions has what was "
         "used.",
         Affects::result,
         {},
         0,
         1e9},

        {"controls.uninserted", Kind::flag, true,
         "Also predict the same windows without the element (accessibility of the site set to 1 all the "
         "same)."},
        {"controls.shuffles",
         Kind::integer,
         integer(10),
         "Dinucleotide-shuffled versions of each element, inserted at the same sites in turn; 0: none.",
         Affects::result,
         {},
         0,
         1e6},

        {"results.raw",
         Kind::text,
         text("none"),
         "Keep every insertion's predictions (obsm/raw).",
         Affects::result,
         {"none", "f16", "f32"}},
        {"units.elements",
         Kind::integer,
         integer(1),
         "Elements a work unit. Units of 0.1 to 10 s balance best.",
         Affects::result,
         {},
         1,
         1e6},
    };
    auto const after = std::ranges::find(specs, "model.check_every", &SettingSpec::key);
    auto const scripts = script_settings();
    specs.insert(after + 1, scripts.begin(), scripts.end());
    return specs;
}

}  // namespace mpira::jobs
