#include "jobs/lentimpra_layout.hpp"

#include <span>

#include <nlohmann/json.hpp>

namespace mpira::jobs {
namespace {

void add_loci(genome::ElementLibrary const& library, store::Frame& obs) {
    store::StringColumn chrom{"chrom", {}, true};
    store::StringColumn strand{"strand", {}, true};
    store::IntegerColumn start{"start", {}};
    store::IntegerColumn end{"end", {}};
    for (std::uint64_t element = 0; element < library.size(); ++element) {
        auto const locus = library.locus(element);
        if (!locus) return;
        chrom.values.emplace_back(locus->chrom);
        strand.values.emplace_back(1, locus->strand);
        start.values.push_back(locus->start);
        end.values.push_back(locus->end);
    }
    obs.strings.push_back(std::move(chrom));
    if (library.has_strands()) obs.strings.push_back(std::move(strand));
    obs.integers.push_back(std::move(start));
    obs.integers.push_back(std::move(end));
}

store::Frame elements_of(genome::ElementLibrary const& library) {
    store::Frame obs;
    obs.index_name = "element";
    obs.index.reserve(library.size());
    for (std::uint64_t element = 0; element < library.size(); ++element)
        obs.index.push_back(library.name(element));
    if (!library.group_names().empty()) {
        store::StringColumn group{"group", {}, true};
        for (std::uint64_t element = 0; element < library.size(); ++element)
            group.values.push_back(library.group_names()[library.group(element)]);
        obs.strings.push_back(std::move(group));
    }
    add_loci(library, obs);
    return obs;
}

nlohmann::json notes_of(ScreenParts const& parts) {
    auto const& settings = parts.settings;
    nlohmann::json notes;
    notes["X"] =
        "quantity.arm.statistic, on the scale the model was trained on (log10(TPM + 1) for published "
        "expression, so that differences are log10 ratios); arms: element (inserted), uninserted (same "
        "windows, accessibility of the site 1), shuffled (dinucleotide-shuffled elements at the same sites), "
        "and paired differences; se = sd / sqrt(insertions), of independent draws of sites. Errors of the "
        "shuffled arm hold for the shuffles used: insertions that share a shuffle are correlated. Not a "
        "number: the sd of one insertion, the mean of a site class that no insertion fell into.";
    notes["gc"] = "Share of G and C among the element's own letters that are none of N.";
    notes["no_motif"] =
        "No motif was found in the element and its vector (obsm/features is all 0): the model reads an open "
        "region and nothing else, so such rows differ by their sites only.";
    notes["cut_to_middle"] =
        "The element is longer than scan_length_bp: motifs outside its middle are not seen.";
    if (parts.has_loci())
        notes["unseen"] =
            "The models that read the element, that of accessibility too, saw no base of its locus in "
            "training, by their cards.";
    notes["vector_features"] =
        "Scaled features of the vector without an element, a row for each of vector_scale_sets.";
    if (!settings.path("elements.scanned_as").empty())
        notes["scale_ratios"] =
            "The largest sum of hit scores that a scan of regions finds, over the atlas's own scale, by "
            "scale set of the models and feature: the atlas's features were imported, those of elements are "
            "scanned.";
    if (settings.number("early_stop.se") > 0)
        notes["early_stop"] =
            "Insertions of an element ended after 64, 128, 256 or 512 where the standard error of its paired "
            "difference element-uninserted was at most early_stop.se for each output; obs/insertions says "
            "where. Statistics are over the insertions used; in obsm/raw those not made are not a number. "
            "The rule stops where it has seen little spread, so these standard errors tend to be low.";
    if (settings.text("sites.mode") == "shared")
        notes["sites"] =
            "All elements of a model share their sites: errors of their means are correlated. Compare "
            "elements by the paired differences (element-uninserted, element-shuffled).";
    return notes;
}

}  // namespace

store::ResultLayout screen_layout(ScreenParts const& parts) {
    auto const& settings = parts.settings;
    store::ResultLayout layout;
    layout.job = "lentimpra";
    layout.rows = parts.library.size();
    layout.rows_per_unit = settings.count("units.elements");
    layout.row_arrays = {{"X", store::Type::f32, {parts.statistics.size()}},
                         {"obsm/features", store::Type::f32, {parts.features.size()}},
                         {"obs/gc", store::Type::f32, {}},
                         {"obs/insertions", store::Type::i32, {}},
                         {"obs/no_motif", store::Type::boolean, {}},
                         {"obs/cut_to_middle", store::Type::boolean, {}}};
    if (parts.has_loci()) layout.row_arrays.push_back({"obs/unseen", store::Type::boolean, {}});
    if (settings.text("results.raw") != "none") {
        auto const type = settings.text("results.raw") == "f16" ? store::Type::f16 : store::Type::f32;
        auto const outputs = parts.models.cards().front().names_of_outputs().size();
        layout.row_arrays.push_back({"obsm/raw", type, {settings.count("sites.insertions"), outputs}});
    }
    auto const vector = parts.features.of_vector();
    auto const bytes = std::as_bytes(std::span(vector));
    layout.fixed_arrays = {{"uns/vector_features",
                            store::Type::f32,
                            {parts.features.scale_sets().size(), parts.features.size()},
                            {bytes.begin(), bytes.end()}}};
    if (auto const& ratios = parts.features.scale_ratios(); !ratios.empty()) {
        auto const ratio_bytes = std::as_bytes(std::span(ratios));
        layout.fixed_arrays.push_back({"uns/scale_ratios",
                                       store::Type::f32,
                                       {ratios.size() / parts.features.size(), parts.features.size()},
                                       {ratio_bytes.begin(), ratio_bytes.end()}});
    }

    layout.identity = settings.to_json(true);
    layout.identity["atlas.content"] = parts.atlas.content_hash();
    layout.identity["elements.content"] = parts.library.content_hash();
    layout.identity["weights"] = parts.models.hashes();
    if (auto const hash = parts.features.scanned_as(); !hash.empty())
        layout.identity["elements.scanned_as.content"] = hash;
    return layout;
}

store::ResultTables screen_tables(ScreenParts const& parts) {
    store::ResultTables tables;
    tables.obs = elements_of(parts.library);
    tables.var.index_name = "statistic";
    tables.var.index = parts.statistics;

    auto& uns = tables.uns;
    uns["assembly"] = parts.atlas.assembly();
    uns["feature_names"] = parts.atlas.feature_names();
    uns["scan_length_bp"] = parts.features.scan_length_bp();
    uns["vector_scale_sets"] = parts.features.scale_sets();
    uns["atlas"] = {{"content_hash", parts.atlas.content_hash()}, {"description", parts.atlas.describe()}};
    uns["library"] = parts.library.describe();
    // Cards nest deeper than uns may: kept as the JSON text that stands in the weights files.
    std::vector<std::string> cards;
    for (auto const& card : parts.models.cards()) cards.push_back(nlohmann::json(card).dump());
    uns["model_cards"] = cards;
    if (auto const se = parts.settings.number("early_stop.se"); se > 0)
        uns["early_stop"] = {
            {"se", se},
            {"looks", std::vector<std::int64_t>(model::kStopLooks.begin(), model::kStopLooks.end())}};
    uns["notes"] = notes_of(parts);
    return tables;
}

}  // namespace mpira::jobs
