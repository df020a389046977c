#include <algorithm>
#include <string>

#include "jobs/attribution_summary.hpp"
#include "jobs/jacobian.hpp"
#include "jobs/jacobian_inputs.hpp"
#include "jobs/script_trust.hpp"

namespace mpira::jobs {
namespace {

using Kind = SettingKind;
using Texts = std::vector<std::string>;

SettingSpec text(std::string key, SettingValue fallback, std::string summary,
                 Affects affects = Affects::result, Texts choices = {}) {
    return {std::move(key), Kind::text, std::move(fallback), std::move(summary), affects, std::move(choices)};
}
SettingSpec list(std::string key, Texts fallback, std::string summary) {
    return {std::move(key), Kind::texts, std::move(fallback), std::move(summary)};
}
SettingSpec number(std::string key, std::int64_t fallback, std::string summary, double least, double most) {
    return {std::move(key), Kind::integer, fallback, std::move(summary), Affects::result, {}, least, most};
}
SettingSpec flag(std::string key, bool fallback, std::string summary) {
    return {std::move(key), Kind::flag, fallback, std::move(summary)};
}

}  // namespace

std::vector<SettingSpec> jacobian_input_settings(bool by_output) {
    std::string const none;
    std::vector<SettingSpec> specs{
        text("atlas.file", {}, "Atlas (.h5ad) that the features job wrote.", Affects::run),
        list("cell_types", {},
             "Cell types, in the order of the rows; empty: those of model.weights_by_cell_type, or the "
             "model's own. A model without one needs a name here."),

        text("model.weights", none,
             "Weights (.safetensors) that read all cell types. Give this or model.weights_by_cell_type.",
             Affects::run),
        text("model.weights_by_cell_type", none,
             "TSV of cell type and weights file (relative to the TSV), such as models tuned to each.",
             Affects::run),
        number("model.micro_batch", 0,
               "Windows of one pass. Results depend on it in the last bits, so it is fixed for a campaign. A "
               "window of 200 regions needs about 80 MB of a 768x12 model's activations, half of it with "
               "bf16. " +
                   explain(kGradientBatch),
               0, 65536),
        precision_setting(),
        attention_setting(),
        products_setting(),
        flag("model.shortcuts", true, "Exact saving: one query in the last block, forward and backward."),

        text(
            "genes.file", none,
            "Genes: .gtf, .gff3 or .bed (name and strand of starts), also .gz. Empty: every region is a row, "
            "for each output.",
            Affects::run),
        list("genes.types", {}, "Only genes of these types (gene_type, gene_biotype: protein_coding)."),
        number("genes.promoter_bp", 300,
               "A start's promoter reaches so far to both sides; regions that overlap it are its rows.", 0,
               1e6),
        text("genes.value", std::string("mean"),
             by_output
                 ? "How the rows of one gene become its row of uns/gene_by_motif (the published code: sum)."
                 : "How the rows of one gene become its value in uns/gene_predicted and gene_observed (the "
                   "published code: max). sum is for what adds up over starts (CAGE), not for the expression "
                   "of genes, which the atlas has at each of them.",
             Affects::result, kGeneValueNames),
        list("rows.chroms", {}, "Only rows on these chromosomes; empty: all."),

        text("outputs.plus", none,
             "Output of the model that is the '+' strand; empty: the first of two, or the only one."),
        text("outputs.minus", none, "The same for '-'; empty: the second of two, or the only one."),
        text("outputs.strands", std::string("own"), "Read a gene on its own strand, or on both (a row each).",
             Affects::result, {"own", "both"}),
        list("outputs.names", {}, "Outputs to read where rows are regions; empty: all."),
        text("expression.observed", none,
             "Expression column of the atlas for what was observed; {cell_type} and {output} stand for a "
             "row's own. Empty: the atlas's accessibility where the model predicts that, else "
             "\"{cell_type}.{output}\" or \"{output}\" where there is one."),

        text(
            "windows.regions", std::string("model"),
            "Regions that windows consist of: as the model was trained, all, or those accessible in the cell "
            "type.",
            Affects::result, {"model", "all", "accessible"}),
        number("windows.size", 0, "Regions a window; 0: as the model was trained.", 0, 1e6),
        number("windows.focus", -1,
               "Position in the window of the region that is read; -1: as the model was trained.", -1, 1e6),
        text("windows.ends", std::string("shift"),
             "Windows that would leave their chromosome: move them inward and read the gene where it then "
             "lies, or leave these rows out (the published code) and report their names.",
             Affects::result, {"shift", "skip"}),
        number("windows.max_span_bp", 5'000'000,
               "Rows whose windows span more are left out and their names reported.", 1, 1e12),
    };
    auto const after = std::ranges::find(specs, "model.shortcuts", &SettingSpec::key);
    auto const scripts = script_settings();
    specs.insert(after + 1, scripts.begin(), scripts.end());
    if (by_output) return specs;
    std::erase_if(specs, [](SettingSpec const& spec) {
        return spec.key == "outputs.strands" || spec.key == "outputs.names";
    });
    return specs;
}

std::vector<SettingSpec> jacobian_settings() {
    auto specs = jacobian_input_settings(true);
    std::vector<SettingSpec> const own{
        text("attribution.method", std::string("gradient_x_input"),
             "knock_out: loss of the prediction when a motif is set to 0 (no gradients).", Affects::result,
             {"gradient", "gradient_x_input", "integrated_gradients", "knock_out"}),
        number("attribution.steps", 50, "Midpoints of integrated gradients.", 1, 1e5),
        text("attribution.knock_out", std::string("all"),
             "Where a motif is set to 0: in all regions at once, in the region of the start, or in each "
             "region "
             "in turn (as many predictions as values that are not 0).",
             Affects::result, {"all", "focus", "each"}),

        list("summaries.regions", {"sum", "mean_abs"},
             "Summaries over the regions of a window, a value a motif: sum, mean, mean_abs, l2. The first is "
             "X, "
             "the others are layers."),
        list("summaries.features", {"sum"},
             "Summaries over motifs and accessibility, a value a region (obsm/region_<name>): as above. "
             "Empty: "
             "none."),
        flag("region_scores.keep", true,
             "obsm/region_score: the norm of the gradient at the region's embedding times its accessibility, "
             "scaled."),
        number(
            "region_scores.nearest", 100,
            "Scores are divided by the sum of absolute scores over so many regions nearest to the start; 0: "
            "not scaled.",
            0, 1e6),
        flag("region_scores.own", false, "Whether the start's own region is one of them."),
        flag("region_scores.scale_summaries", false,
             "Divide obsm/region_<name> in the same way, each by its own sum: gradient x input of regions as "
             "published, comparable between genes."),
        text("results.jacobian", std::string("none"),
             "Keep the gradient of every feature of every region (obsm/jacobian): f32; bf16, of float32's "
             "range "
             "with 8 bits of precision; f16 times obs/jacobian_scale, with 11 bits.",
             Affects::result, {"none", "f16", "bf16", "f32"}),
        number(kJacobianUnit.key, 0,
               "Rows a work unit. Units of 0.1 to 10 s balance best. " + explain(kJacobianUnit), 0, 1e6),
    };
    specs.insert(specs.end(), own.begin(), own.end());
    return specs;
}

}  // namespace mpira::jobs
