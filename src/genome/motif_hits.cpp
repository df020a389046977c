#include "mpira/genome/motif_hits.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/lines.hpp"
#include "genome/quiet_htslib.hpp"
#include "genome/tabix_lines.hpp"

namespace mpira::genome {
namespace {

/// Regions nearer than this are looked up at once: four of the bins that tabix knows.
constexpr std::int64_t kNear_bp = 65'536;

struct Hit {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::string_view name;
    double score = 0;
};

}  // namespace

std::vector<std::vector<std::string>> HitFeatures::hits_of_features() const {
    std::vector<std::vector<std::string>> hits(names.size());
    for (auto const& [hit, feature] : of_hit)
        if (feature >= 0) hits[static_cast<std::size_t>(feature)].push_back(hit);
    return hits;
}

HitFeatures read_hit_features(std::filesystem::path const& file) {
    HitFeatures features;
    std::map<std::string, std::int32_t, std::less<>> numbers{{"-", -1}};
    Lines lines(file);
    while (lines.next()) {
        auto const line = lines.line();
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        auto const hit = text::trim(fields[0]);
        auto const feature = fields.size() > 1 ? text::trim(fields[1]) : hit;
        if (hit.empty() || feature.empty())
            lines.refuse("the name of hits, a tab, and their feature were expected");
        auto const next = static_cast<std::int32_t>(features.names.size());
        auto const [at, is_new] = numbers.try_emplace(std::string(feature), next);
        if (is_new) features.names.emplace_back(feature);
        if (!features.of_hit.try_emplace(std::string(hit), at->second).second)
            lines.refuse(fmt::format("hits '{}' are given a second time", hit));
    }
    require(!features.names.empty(), fmt::format("{}: no feature", file.string()));
    return features;
}

struct MotifHits::State {
    State(std::filesystem::path const& path, HitFeatures given)
        : features(std::move(given)), file(path), lines(file, open_lookup_file(path)) {}

    [[nodiscard]] Hit parse(std::string_view line) const {
        auto const refuse = [&](std::string_view what) {
            file.refuse(fmt::format("'{}': {}", line.substr(0, 80), what));
        };
        std::string_view fields[5];
        auto const count = first_fields(line, fields);
        if (count < 5) refuse("a hit has chromosome, start, end, name and score, separated by tabs");
        auto const start = text::to_integer(fields[1]);
        auto const end = text::to_integer(fields[2]);
        if (!start || !end || *start < 0 || *start >= *end) refuse("no interval");
        auto const score = text::to_number(fields[4]);
        if (!score || !(*score >= 0))
            refuse(
                fmt::format("its score, '{}', is no number of at least 0; scores are added up to features "
                            "that a model sees between 0 and 1",
                            fields[4]));
        return {*start, *end, fields[3], *score};
    }

    HitFeatures features;
    IndexedFile file;
    TabixLines lines;
    std::string stranger;
};

MotifHits::MotifHits(std::filesystem::path const& file, HitFeatures features) {
    QuietHtslib const quiet;
    state_ = std::make_unique<State>(file, std::move(features));
}
MotifHits::MotifHits(MotifHits&&) noexcept = default;
MotifHits& MotifHits::operator=(MotifHits&&) noexcept = default;
MotifHits::~MotifHits() = default;

HitFeatures const& MotifHits::features() const noexcept {
    return state_->features;
}
std::vector<std::string> const& MotifHits::chroms() const noexcept {
    return state_->lines.chroms();
}

std::string const& MotifHits::stranger() const noexcept {
    return state_->stranger;
}

std::string MotifHits::content_hash() const {
    ContentHash hash;
    hash.add(state_->file.content_hash());
    for (auto const& name : state_->features.names) hash.add(name);
    for (auto const& [hit, feature] : state_->features.of_hit) hash.add(hit).add(fmt::format("{}", feature));
    return hash.hex();
}

void MotifHits::add(std::string_view chrom, std::span<Region const> regions, std::span<double> sums,
                    std::span<std::int32_t> unlisted) {
    auto const width = state_->features.names.size();
    ensure(sums.size() == regions.size() * width && unlisted.size() == regions.size(), "sums a region");
    if (std::ranges::find(chroms(), chrom) == chroms().end()) return;
    QuietHtslib const quiet;
    // Furthest end so far: regions may contain each other.
    std::vector<std::int64_t> reach(regions.size());
    std::transform_inclusive_scan(
        regions.begin(), regions.end(), reach.begin(), [](auto a, auto b) { return std::max(a, b); },
        [](Region const& region) { return region.end; });
    for (std::size_t first = 0, last = 0; first < regions.size(); first = last) {
        last = first + 1;
        while (last < regions.size() && regions[last].start - reach[last - 1] < kNear_bp) ++last;
        auto const near = regions.subspan(first, last - first);
        state_->lines.read(chrom, near.front().start, reach[last - 1], [&](std::string_view line) {
            auto const hit = state_->parse(line);
            auto const found = state_->features.of_hit.find(hit.name);
            bool const is_listed = found != state_->features.of_hit.end();
            if (is_listed && found->second < 0) return;
            if (!is_listed && state_->stranger.empty()) state_->stranger = hit.name;
            auto row =
                first + static_cast<std::size_t>(std::ranges::lower_bound(near, hit.end, {}, &Region::start) -
                                                 near.begin());
            while (row > first && reach[row - 1] > hit.start) {
                --row;
                if (regions[row].end <= hit.start) continue;
                if (is_listed)
                    sums[row * width + static_cast<std::size_t>(found->second)] += hit.score;
                else
                    ++unlisted[row];
            }
        });
    }
}

}  // namespace mpira::genome
