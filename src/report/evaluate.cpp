// A screen beside what the assay measured.
#include "mpira/report/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/store/text_output.hpp"

#include "report/evaluation_data.hpp"
#include "report/evaluation_regions.hpp"
#include "report/evaluation_scores.hpp"
#include "report/resampled_figures.hpp"

namespace mpira::report {
namespace {

constexpr double kPositivePercentile = 95;
constexpr std::size_t kFewest = 3;  // sequences that a correlation is told of

/// Sequences that are looked at together.
struct Subset {
    std::string name;
    std::vector<std::size_t> members;
};

std::vector<Subset> subsets_of(AssayData const& data) {
    std::vector<Subset> subsets;
    auto const add = [&](std::string name, std::function<bool(AssaySequence const&)> const& is_member) {
        Subset subset{std::move(name), {}};
        for (std::size_t s = 0; s < data.sequences.size(); ++s)
            if (is_member(data.sequences[s])) subset.members.push_back(s);
        if (subset.members.size() >= kFewest) subsets.push_back(std::move(subset));
    };
    add("all", [](auto const& sequence) { return !sequence.is_control; });
    for (bool const held_out : {true, false})
        add(held_out ? "held out" : "not held out",
            [=](auto const& sequence) { return !sequence.is_control && sequence.held_out == held_out; });
    std::set<std::string> groups, states;
    for (auto const& sequence : data.sequences) {
        groups.insert(sequence.group);
        states.insert(sequence.state);
    }
    for (auto const& group : groups)
        if (!group.empty() && groups.size() > 1)
            add(fmt::format("group {}", group),
                [&](auto const& sequence) { return sequence.group == group; });
    for (auto const& state : states)
        if (!state.empty())
            add(fmt::format("state {}", state),
                [&](auto const& sequence) { return !sequence.is_control && sequence.state == state; });
    return subsets;
}

/// Pearson's r of each two replicates over the sequences that have both, and what a perfect prediction of the
/// mean could reach: both of the subset "all", without controls.
struct ReplicateAgreement {
    struct Pair {
        std::string one, other;
        Figures figures;
    };
    std::vector<Pair> pairs;
    double ceiling = std::nan("");  ///< sqrt of the Spearman-Brown reliability of the mean of all replicates
};

ReplicateAgreement agreement_of(AssayData const& data) {
    ReplicateAgreement agreement;
    double sum = 0, sequences = 0;
    for (std::size_t a = 0; a < data.replicates.size(); ++a) {
        for (std::size_t b = a + 1; b < data.replicates.size(); ++b) {
            std::vector<double> x, y;
            std::vector<std::uint32_t> locus;
            for (auto const& sequence : data.sequences) {
                if (sequence.is_control || std::isnan(sequence.replicates[a]) ||
                    std::isnan(sequence.replicates[b]))
                    continue;
                x.push_back(sequence.replicates[a]);
                y.push_back(sequence.replicates[b]);
                locus.push_back(sequence.locus);
            }
            agreement.pairs.push_back(
                {data.replicates[a], data.replicates[b], resampled_figures(x, y, {}, locus, 0, 0)});
            auto const& figures = agreement.pairs.back().figures;
            if (figures.elements < kFewest || std::isnan(figures.pearson.value)) continue;
            sum += static_cast<double>(figures.elements) * figures.pearson.value;
            sequences += static_cast<double>(figures.elements);
        }
    }
    auto const k = static_cast<double>(data.replicates.size());
    if (double const r = sum / sequences; r > 0) agreement.ceiling = std::sqrt(k * r / (1 + (k - 1) * r));
    return agreement;
}

/// The activity above which an element counts as active; not a number without controls.
double threshold_of(AssayData const& data) {
    std::vector<double> controls;
    for (auto const& sequence : data.sequences)
        if (sequence.is_control) controls.push_back(sequence.measured);
    return controls.empty() ? std::nan("") : percentile(controls, kPositivePercentile);
}

struct Line {
    std::string subset;
    std::string score;
    Figures figures;
};

std::vector<Line> figures_of(AssayData const& data, std::vector<Score> const& scores, double threshold,
                             EvaluateChoice const& choice) {
    std::vector<Line> lines;
    for (auto const& subset : subsets_of(data)) {
        bool const of_controls = data.sequences[subset.members.front()].is_control;
        for (auto const& score : scores) {
            std::vector<double> x, y;
            std::vector<std::uint8_t> positive;
            std::vector<std::uint32_t> locus;
            for (auto const s : subset.members) {
                auto const& sequence = data.sequences[s];
                if (std::isnan(score.values[s])) continue;
                x.push_back(score.values[s]);
                y.push_back(sequence.measured);
                locus.push_back(sequence.locus);
                if (!std::isnan(threshold) && !of_controls)
                    positive.push_back(sequence.measured > threshold ? 1 : 0);
            }
            if (x.size() < kFewest) continue;
            lines.push_back({subset.name, score.name,
                             resampled_figures(x, y, positive, locus, choice.resamples, choice.seed)});
        }
    }
    return lines;
}

std::string figures_table(std::vector<Line> const& lines) {
    std::string text =
        "subset\tscore\tsequences\tloci\tpearson\tpearson_low\tpearson_high\tspearman\tspearman_"
        "low\tspearman_high\t"
        "auprc\tauprc_low\tauprc_high\tpositives\n";
    for (auto const& [subset, score, figures] : lines) {
        text += fmt::format("{}\t{}\t{}\t{}", field(subset), field(score), figures.elements, figures.loci);
        for (auto const& figure : {figures.pearson, figures.spearman, figures.auprc})
            for (double const value : {figure.value, figure.low, figure.high})
                text += fmt::format("\t{}", number_text(value, false));
        text += fmt::format("\t{}\n", number_text(figures.positives, false));
    }
    return text;
}

std::string sequences_table(ExportSource const& screen, AssayData const& data,
                            std::vector<Score> const& scores, double threshold) {
    std::string text = "elements\tchrom\tstart\tend\tgroup\tstate\theld_out\tcontrol\tactive\tmeasured";
    for (auto const& replicate : data.replicates)
        text += fmt::format("\t{}", field(fmt::format("measured {}", replicate)));
    for (auto const& score : scores) text += fmt::format("\t{}", field(score.name));
    text += "\n";
    for (std::size_t s = 0; s < data.sequences.size(); ++s) {
        auto const& sequence = data.sequences[s];
        std::vector<std::string> names;
        for (auto const row : sequence.rows) names.push_back(screen.names()[row]);
        bool const placed = !sequence.chrom.empty();
        text += fmt::format(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}", field(fmt::format("{}", fmt::join(names, ","))),
            field(sequence.chrom), placed ? std::to_string(sequence.start) : "",
            placed ? std::to_string(sequence.end) : "", field(sequence.group), field(sequence.state),
            sequence.held_out ? (*sequence.held_out ? "1" : "0") : "", sequence.is_control ? 1 : 0,
            std::isnan(threshold)           ? ""
            : sequence.measured > threshold ? "1"
                                            : "0",
            number_text(sequence.measured, false));
        for (double const value : sequence.replicates) text += fmt::format("\t{}", number_text(value, false));
        for (auto const& score : scores) text += fmt::format("\t{}", number_text(score.values[s], false));
        text += "\n";
    }
    return text;
}

bool has_places(AssayData const& data) {
    return std::ranges::any_of(data.sequences, [](auto const& one) { return !one.chrom.empty(); });
}

/// JSON has no NaN.
nlohmann::json number_or_null(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

nlohmann::json facts_of(ExportSource const& screen, AssayData const& data, std::vector<Score> const& scores,
                        ReplicateAgreement const& agreement, double threshold, EvaluateChoice const& choice) {
    nlohmann::json facts;
    facts["screen"] = screen.file().string();
    facts["job"] = screen.rows().layout().job;
    if (!choice.scores.empty())
        facts["other_scores"] = {{"file", choice.scores.string()}, {"content", hash_file(choice.scores)}};
    if (!choice.chromosomes.empty()) facts["chromosomes"] = choice.chromosomes;
    for (auto const& file : choice.measured)
        facts["measured"].push_back({{"file", file.string()}, {"content", hash_file(file)}});
    if (!choice.states.empty())
        facts["states"] = {{"file", choice.states.string()}, {"content", hash_file(choice.states)}};
    facts["activity"] = data.formula;
    facts["least_barcodes"] = choice.least_barcodes;
    facts["lines_of_too_few_barcodes"] = data.too_few_barcodes;
    facts["measured_elements"] = data.measured_elements;
    facts["measured_not_in_screen"] = data.without_row;
    facts["in_screen_not_measured"] = data.without_measure;
    facts["without_other_score"] = data.without_score;
    facts["sequences"] = data.sequences.size();
    facts["orientations_averaged"] = data.has_pairs;
    for (auto const& pair : agreement.pairs)
        facts["replicates"].push_back({{"one", pair.one},
                                       {"other", pair.other},
                                       {"sequences", pair.figures.elements},
                                       {"pearson", number_or_null(pair.figures.pearson.value)},
                                       {"spearman", number_or_null(pair.figures.spearman.value)}});
    facts["ceiling_pearson"] = number_or_null(agreement.ceiling);
    facts["ceiling_of"] = "all";
    facts["controls"] = choice.controls;
    facts["active_above"] = number_or_null(threshold);
    facts["intervals"] =
        fmt::format("95 %, {} resamples of {}, seed {}", choice.resamples,
                    has_places(data) ? "1 Mb loci" : "single sequences (none has a place)", choice.seed);
    for (auto const& score : scores) facts["scores"][score.name] = score.meaning;
    return facts;
}

std::string said(Estimate const& figure) {
    if (std::isnan(figure.value)) return "-";
    if (std::isnan(figure.low)) return fmt::format("{:.3f}", figure.value);
    return fmt::format("{:.3f} [{:.3f}, {:.3f}]", figure.value, figure.low, figure.high);
}

std::string text_of(AssayData const& data, std::vector<Line> const& lines,
                    ReplicateAgreement const& agreement, double threshold, bool of_regions) {
    std::string text =
        fmt::format("{} {}{}", data.sequences.size(),
                    of_regions ? "regions observed and predicted" : "sequences measured and screened",
                    data.has_pairs ? ", both orientations of one averaged" : "");
    if (data.without_score > 0)
        text += fmt::format("; {} more are left out, which the other scores lack", data.without_score);
    if (!of_regions)
        text += fmt::format("; {} measured elements are not in the screen, {} of the screen are not measured",
                            data.without_row, data.without_measure);
    if (data.too_few_barcodes > 0)
        text += fmt::format(" ({} values with too few barcodes)", data.too_few_barcodes);
    text += fmt::format("\nactivity: {}\n", data.formula);
    for (auto const& pair : agreement.pairs)
        text += fmt::format("replicates {} and {}: r = {:.3f} over {} sequences\n", pair.one, pair.other,
                            pair.figures.pearson.value, pair.figures.elements);
    if (!std::isnan(agreement.ceiling))
        text += fmt::format(
            "a perfect prediction would reach about r = {:.3f} over all but the controls (replicates' "
            "reliability)\n",
            agreement.ceiling);
    if (of_regions) {
        text += "no AUPRC: nothing says what is active\n";
    } else if (std::isnan(threshold)) {
        text += "no AUPRC: --controls names the group of the assay's negative controls\n";
    } else {
        text += fmt::format("active: above {:.3f}, the {:g}th percentile of the negative controls\n",
                            threshold, kPositivePercentile);
    }
    bool const in_loci = has_places(data);
    std::string subset;
    for (auto const& line : lines) {
        if (line.subset != subset) {
            subset = line.subset;
            text += fmt::format("\n{} ({} sequences{}{})\n  {:<32}{:<24}{:<24}{}\n", subset,
                                line.figures.elements,
                                in_loci ? fmt::format(" in {} loci", line.figures.loci) : "",
                                std::isnan(line.figures.positives)
                                    ? ""
                                    : fmt::format(", {:.1f} % active", 100 * line.figures.positives),
                                "", "Pearson", "Spearman", "AUPRC");
        }
        text += fmt::format("  {:<32}{:<24}{:<24}{}\n", line.score, said(line.figures.pearson),
                            said(line.figures.spearman), said(line.figures.auprc));
    }
    return text;
}

/// Options of the other kind of result: they would do nothing.
void refuse_others(EvaluateChoice const& choice, bool of_regions) {
    auto const only = [&](bool given, char const* option, bool fits) {
        require(!given || fits,
                fmt::format("{} is of {}", option,
                            of_regions ? "a screen (mpira lentimpra), and this is mpira predict's"
                                       : "predictions of regions (mpira predict)"));
    };
    require(of_regions || !choice.measured.empty(), "--measured names what the assay measured");
    only(!choice.measured.empty(), "--measured", !of_regions);
    only(!choice.columns.empty(), "--column", !of_regions);
    only(choice.least_barcodes != EvaluateChoice().least_barcodes, "--min-barcodes", !of_regions);
    only(!choice.controls.empty(), "--controls", !of_regions);
    only(!choice.orientations.empty(), "--orientations", !of_regions);
    only(!choice.quantities.empty(), "--quantity", !of_regions);
    only(!choice.cell_type.empty(), "--cell-type", of_regions);
    only(!choice.chromosomes.empty(), "--chromosomes", of_regions);
    only(!choice.scores.empty(), "--scores", of_regions);
    require(choice.scores.empty() == choice.score_columns.empty(),
            "--scores takes --score-columns, which says what columns of the table are summed");
}

}  // namespace

std::string evaluate(std::filesystem::path const& screen_file, std::filesystem::path const& output,
                     EvaluateChoice const& choice) {
    store::TextFolder folder(output, choice.overwrite);  // refused before anything is computed
    ExportChoice rows;
    rows.partial = choice.partial;
    ExportSource const screen(screen_file, rows);
    auto const& job = screen.rows().layout().job;
    bool const of_regions = job == "predict";
    require(of_regions || job == "lentimpra",
            fmt::format("{}: a result of mpira {}; evaluate takes those of lentimpra and predict",
                        screen_file.string(), job));
    refuse_others(choice, of_regions);
    auto const data = of_regions ? observed_regions(screen, choice) : join(screen, choice);
    auto const scores =
        of_regions ? scores_of_regions(screen, data, choice) : scores_of(screen, data, choice);
    auto const threshold = threshold_of(data);
    auto const agreement = agreement_of(data);
    auto const lines = figures_of(data, scores, threshold, choice);
    folder.add("sequences.tsv", sequences_table(screen, data, scores, threshold));
    folder.add("figures.tsv", figures_table(lines));
    folder.add("evaluation.json", facts_of(screen, data, scores, agreement, threshold, choice)
                                          .dump(1, ' ', false, nlohmann::json::error_handler_t::replace) +
                                      "\n");
    folder.place();
    return text_of(data, lines, agreement, threshold, of_regions);
}

}  // namespace mpira::report
