#include "mpira/genome/motifs.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"
#include "genome/motif_formats.hpp"

namespace mpira::genome {

std::vector<Motif> read_motifs(std::filesystem::path const& file) {
    Lines lines(file);
    while (lines.next()) {
        auto const line = text::trim(lines.line());
        if (line.empty() || line.starts_with('#')) continue;
        if (line.starts_with('>')) return read_jaspar_text(file);
        auto const word = first_word(line);
        for (std::string_view const field : {"VV", "XX", "AC", "ID", "NA", "//"}) {
            if (word == field) return read_transfac(file);
        }
        break;
    }
    return read_meme(file);
}

MotifFeatures one_feature_each(std::span<Motif const> motifs) {
    MotifFeatures features;
    for (auto const& motif : motifs) {
        features.of_motif.push_back(static_cast<std::int32_t>(features.names.size()));
        features.names.push_back(motif.id);
    }
    return features;
}

MotifFeatures read_motif_clusters(std::filesystem::path const& file, std::span<Motif const> motifs) {
    constexpr std::int32_t kUnseen = -2;
    constexpr std::int32_t kLeftOut = -1;
    std::unordered_map<std::string_view, std::size_t> by_id;
    std::vector<std::string> ids;
    for (auto const& motif : motifs) {
        by_id.emplace(motif.id, ids.size());
        ids.push_back(motif.id);
    }
    MotifFeatures features;
    features.of_motif.assign(motifs.size(), kUnseen);
    std::unordered_map<std::string, std::int32_t> by_name;
    Lines lines(file);
    while (lines.next()) {
        auto const line = lines.line();
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        auto const name = fields.size() < 2 ? std::string_view() : text::trim(fields[1]);
        if (name.empty()) lines.refuse("a motif id, a tab, and a feature name were expected");
        auto const id = text::trim(fields[0]);
        auto const motif = by_id.find(id);
        if (motif == by_id.end()) {
            lines.refuse(fmt::format("unknown motif '{}'{}", id, text::did_you_mean(id, ids)));
        }
        auto& feature = features.of_motif[motif->second];
        if (feature != kUnseen) lines.refuse(fmt::format("motif '{}' is given a second time", id));
        feature = kLeftOut;
        if (name == "-") continue;
        auto const next = static_cast<std::int32_t>(features.names.size());
        auto const [at, is_new] = by_name.emplace(name, next);
        if (is_new) features.names.emplace_back(name);
        feature = at->second;
    }
    std::vector<std::string_view> missing;
    for (std::size_t m = 0; m < motifs.size(); ++m) {
        if (features.of_motif[m] == kUnseen) missing.push_back(motifs[m].id);
    }
    if (!missing.empty()) {
        std::size_t const shown = std::min<std::size_t>(missing.size(), 5);
        fail_usage(fmt::format(
            "{}: {} of {} motifs have no line, among them {}; give each a feature, or '-' "
            "to leave it out",
            file.string(), missing.size(), motifs.size(),
            fmt::join(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(shown), ", ")));
    }
    if (features.names.empty()) fail_usage(fmt::format("{}: leaves every motif out", file.string()));
    return features;
}

}  // namespace mpira::genome
