#include "jobs/agreement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;

bool is_data(std::string_view line) {
    return !text::trim(line).empty() && !line.starts_with('#');
}

/// The first two fields of a tab-separated line.
std::pair<std::string_view, std::string_view> two_names(MappedText const& text, std::size_t at,
                                                        std::string_view what) {
    auto const fields = text::split(text.line(at), '\t');
    if (fields.size() < 2 || text::trim(fields[0]).empty() || text::trim(fields[1]).empty())
        text.refuse(at, fmt::format("expected {}, separated by a tab", what));
    return {text::trim(fields[0]), text::trim(fields[1])};
}

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> found;
    for (std::size_t at = 0; at < line.size();) {
        auto const begin = line.find_first_not_of(" \t", at);
        if (begin == std::string_view::npos) break;
        auto const end = std::min(line.find_first_of(" \t", begin), line.size());
        found.push_back(line.substr(begin, end - begin));
        at = end;
    }
    return found;
}

void require_pairs(Truth const& truth, std::string const& file) {
    require(truth.pair_count() > 0,
            fmt::format("{}: no pair of it connects two motifs ({} of {} motifs have a factor in it): are "
                        "factors named alike here and in annotation.factors?",
                        file, truth.tested_count(), truth.motif_count()));
}

/// Protein id -> name, from STRING's info file.
std::unordered_map<std::string_view, std::string_view> string_names(MappedText const& text) {
    std::unordered_map<std::string_view, std::string_view> names;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        if (!is_data(text.line(at))) continue;
        names.insert(two_names(text, at, "a STRING id and its preferred name"));
    }
    require(!names.empty(), fmt::format("{}: no protein; STRING's info file has a line for each: its id and "
                                        "its preferred name, separated by a tab",
                                        text.file().string()));
    return names;
}

double f1_of(double true_positives, double false_positives, double false_negatives) {
    double const all = 2 * true_positives + false_positives + false_negatives;
    return all == 0 ? 0 : 2 * true_positives / all;
}

}  // namespace

Annotation::Annotation(std::span<std::string const> motifs)
    : motif_count_(static_cast<std::uint32_t>(motifs.size())) {
    for (std::uint32_t motif = 0; motif < motif_count_; ++motif) add(motif, motifs[motif]);
}

Annotation::Annotation(std::filesystem::path const& file, std::span<std::string const> motifs,
                       std::span<std::string const> ignored)
    : motif_count_(static_cast<std::uint32_t>(motifs.size())) {
    MappedText const text(file);
    std::unordered_map<std::string_view, std::uint32_t> number_of;
    for (std::uint32_t motif = 0; motif < motif_count_; ++motif) number_of.emplace(motifs[motif], motif);
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        if (!is_data(text.line(at))) continue;
        auto const [motif, factor] = two_names(text, at, "a motif and a factor");
        auto const found = number_of.find(motif);
        if (found != number_of.end()) {
            add(found->second, factor);
        } else if (std::ranges::find(ignored, motif) == ignored.end()) {
            text.refuse(
                at, fmt::format("the matrix has no motif '{}'{}", motif, text::did_you_mean(motif, motifs)));
        }
    }
    require(!pairs_.empty(), fmt::format("{}: no motif of the matrix has a factor", file.string()));
    std::ranges::stable_sort(pairs_, {}, &std::pair<std::uint32_t, std::string>::first);
}

void Annotation::add(std::uint32_t motif, std::string_view factor) {
    auto& of_factor = motifs_of_[std::string(factor)];
    if (std::ranges::find(of_factor, motif) != of_factor.end()) return;
    of_factor.push_back(motif);
    pairs_.emplace_back(motif, factor);
}

std::span<std::uint32_t const> Annotation::motifs_of(std::string_view factor) const {
    auto const found = motifs_of_.find(std::string(factor));
    return found == motifs_of_.end() ? std::span<std::uint32_t const>{} : found->second;
}

void Truth::test(std::span<std::uint32_t const> motifs) {
    for (auto const motif : motifs) tested_.at(motif) = 1;
}

void Truth::connect(std::span<std::uint32_t const> one, std::span<std::uint32_t const> other) {
    test(one);
    test(other);
    for (auto const i : one) {
        for (auto const j : other) {
            if (i == j) continue;
            pairs_[std::uint64_t{i} * tested_.size() + j] = 1;
            pairs_[std::uint64_t{j} * tested_.size() + i] = 1;
        }
    }
}

std::uint64_t Truth::tested_count() const {
    return static_cast<std::uint64_t>(std::ranges::count(tested_, std::uint8_t{1}));
}
std::uint64_t Truth::pair_count() const {
    return static_cast<std::uint64_t>(std::ranges::count(pairs_, std::uint8_t{1})) / 2;
}

Truth read_string(std::filesystem::path const& links, std::filesystem::path const& names, double above,
                  Annotation const& annotation) {
    MappedText const text(links);
    std::optional<MappedText> info;
    std::unordered_map<std::string_view, std::string_view> name_of;
    if (!names.empty()) name_of = string_names(info.emplace(names));
    Truth truth("string", annotation.motif_count());
    auto const header = text.size() == 0 ? std::vector<std::string_view>{} : words(text.line(0));
    auto const column = [&](std::string_view what) {
        auto const found = std::ranges::find(header, what);
        if (found == header.end())
            require(false, fmt::format("{}, line 1: no column '{}'; STRING's links begin with the header "
                                       "\"protein1 protein2 combined_score\"",
                                       links.string(), what));
        return static_cast<std::size_t>(found - header.begin());
    };
    auto const first = column("protein1"), second = column("protein2"), score = column("combined_score");
    for (std::size_t at = text.after(0); at < text.size(); at = text.after(at)) {
        if (text::trim(text.line(at)).empty()) continue;
        auto const fields = words(text.line(at));
        if (fields.size() != header.size())
            text.refuse(at, fmt::format("{} fields, the header has {}", fields.size(), header.size()));
        auto const value = text::to_number(fields[score]);
        if (!value) text.refuse(at, fmt::format("'{}' is not a score", fields[score]));
        auto const motifs = [&](std::string_view protein) {
            if (!info) return annotation.motifs_of(protein);
            auto const found = name_of.find(protein);
            if (found == name_of.end())
                text.refuse(at, fmt::format("protein '{}' is not in {}", protein, names.string()));
            return annotation.motifs_of(found->second);
        };
        auto const one = motifs(fields[first]), other = motifs(fields[second]);
        truth.test(one);
        truth.test(other);
        if (*value > above) truth.connect(one, other);
    }
    require_pairs(truth, links.string());
    return truth;
}

Truth read_pairs(std::filesystem::path const& file, std::string name, Annotation const& annotation) {
    MappedText const text(file);
    Truth truth(std::move(name), annotation.motif_count());
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        if (!is_data(text.line(at))) continue;
        auto const [one, other] = two_names(text, at, "the names of two factors");
        truth.connect(annotation.motifs_of(one), annotation.motifs_of(other));
    }
    require_pairs(truth, file.string());
    return truth;
}

Agreement agreement(Eigen::MatrixXd const& strength, Truth const& truth, double recall) {
    struct Pair {
        double strength;
        std::uint32_t one, other;
    };
    ensure(strength.rows() == truth.motif_count() && strength.cols() == strength.rows(),
           "agreement: another number of motifs");
    std::vector<Pair> candidates;
    double positives = 0;
    auto const absolute = [&](std::uint32_t i, std::uint32_t j) {
        double const value = std::abs(strength(Index{i}, Index{j}));
        return std::isnan(value) ? 0 : value;
    };
    for (std::uint32_t i = 0; i < truth.motif_count(); ++i) {
        for (std::uint32_t j = i + 1; j < truth.motif_count(); ++j) {
            if (!truth.is_tested(i) || !truth.is_tested(j)) continue;
            candidates.push_back({std::max(absolute(i, j), absolute(j, i)), i, j});
            positives += truth.is_pair(i, j) ? 1 : 0;
        }
    }
    ensure(positives > 0, "agreement: a truth without a pair");
    std::ranges::stable_sort(candidates, std::ranges::greater{}, &Pair::strength);

    std::size_t called = 0;
    double hits = 0;
    while (called < candidates.size() && candidates[called].strength > 0 && hits / positives < recall) {
        auto const tied = candidates[called].strength;
        for (; called < candidates.size() && candidates[called].strength == tied; ++called)
            hits += truth.is_pair(candidates[called].one, candidates[called].other) ? 1 : 0;
    }
    double const false_positives = static_cast<double>(called) - hits;
    double const misses = positives - hits;
    double const rejected = static_cast<double>(candidates.size()) - positives - false_positives;

    Agreement result;
    result.called = static_cast<std::int64_t>(called);
    result.precision =
        called == 0 ? std::numeric_limits<double>::quiet_NaN() : hits / static_cast<double>(called);
    result.recall = hits / positives;
    result.f1 = f1_of(hits, false_positives, misses);
    result.macro_f1 = (result.f1 + f1_of(rejected, misses, false_positives)) / 2;
    // By motif: pairs called and true, called only, true only.
    std::vector<std::array<double, 3>> of(truth.motif_count());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        bool const is_called = i < called;
        bool const is_true = truth.is_pair(candidates[i].one, candidates[i].other);
        if (!is_called && !is_true) continue;
        std::size_t const kind = is_called && is_true ? 0 : is_called ? 1 : 2;
        ++of[candidates[i].one][kind];
        ++of[candidates[i].other][kind];
    }
    double sum = 0, count = 0;
    for (auto const& [both, only_called, only_true] : of) {
        if (both + only_true == 0) continue;
        sum += f1_of(both, only_called, only_true);
        ++count;
    }
    result.motif_f1 = sum / count;
    return result;
}

}  // namespace mpira::jobs
