#include "mpira/genome/scanner.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "mpira/base/error.hpp"

#include "genome/scan_kernels.hpp"

namespace mpira::genome {
namespace {

constexpr std::size_t kBlock = 8192;  // starts looked at together: codes and candidates stay in the L1 cache
constexpr std::size_t kWidth = ScanModel::kMaxWidth;
constexpr std::uint8_t kOther = 4;

constexpr auto kCodes = [] {
    std::array<std::uint8_t, 256> codes{};
    codes.fill(kOther);
    constexpr std::string_view kBases = "ACGTacgt";
    for (std::size_t i = 0; i < kBases.size(); ++i) {
        codes.at(static_cast<unsigned char>(kBases[i])) = static_cast<std::uint8_t>(i % 4);
    }
    return codes;
}();

std::uint8_t code_of(char letter) {
    return kCodes[static_cast<unsigned char>(letter)];
}

/// A motif on one strand, read along the forward sequence.
struct Lane {
    std::int32_t motif = 0;
    std::int32_t feature = 0;
    char strand = '+';
    std::int32_t threshold = 0;
    std::size_t width = 0;
    std::vector<std::int32_t> matrix;  // (width, 4)
    kernels::LossTables tables{};
    kernels::Find find = nullptr;

    [[nodiscard]] std::int32_t score(std::uint8_t const* bases) const {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < width; ++i) sum += matrix[4 * i + bases[i]];
        return sum;
    }
};

/// Cuts losses (best score of a position minus a letter's) down to 8 bits. With D = best word - threshold, a
/// word hits if and only if its losses sum to at most D; floor(loss * 250 / D) keeps that as a necessary
/// condition on the floored sum, 250. D = 0 keeps thousandths of a bit and allows none.
void fill_tables(Lane& lane) {
    std::vector<std::int64_t> loss(4 * lane.width);
    std::int64_t best_word = 0;
    for (std::size_t i = 0; i < lane.width; ++i) {
        auto const column = std::span(lane.matrix).subspan(4 * i, 4);
        std::int64_t const best = std::ranges::max(column);
        best_word += best;
        for (std::size_t base = 0; base < 4; ++base) loss[4 * i + base] = best - column[base];
    }
    constexpr std::int64_t kSteps = 250;
    std::int64_t const allowed = best_word - lane.threshold;
    auto const quantised = [&](std::int64_t value) {
        return static_cast<std::uint8_t>(
            std::min<std::int64_t>(255, allowed > 0 ? value * kSteps / allowed : value));
    };
    lane.tables.pairs = static_cast<std::uint32_t>((lane.width + 1) / 2);
    lane.tables.allowed = static_cast<std::uint8_t>(allowed > 0 ? kSteps : 0);
    for (std::size_t k = 0; k < lane.tables.pairs; ++k) {
        for (std::size_t code = 0; code < 16; ++code) {
            std::int64_t value = loss[4 * (2 * k) + code / 4];
            if (2 * k + 1 < lane.width) value += loss[4 * (2 * k + 1) + code % 4];
            lane.tables.loss[k][code] = quantised(value);
        }
    }
}

/// A block of a run of ACGT: codes, padded so that the widest word and step may read past the end.
struct Block {
    static constexpr std::size_t kPadded = kBlock + 2 * kWidth + kernels::kVector;
    alignas(64) std::array<std::uint8_t, kPadded> bases;
    alignas(64) std::array<std::uint8_t, kPadded> pairs;
    std::array<std::uint16_t, kBlock + kernels::kVector> candidates;

    void encode(std::string_view letters) {
        std::ranges::transform(letters, bases.begin(), code_of);
        std::size_t const end = std::min(kPadded, letters.size() + kWidth + kernels::kVector);
        std::fill(bases.begin() + static_cast<std::ptrdiff_t>(letters.size()),
                  bases.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{0});
        for (std::size_t i = 0; i + 1 < end; ++i) {
            pairs[i] = static_cast<std::uint8_t>(4 * bases[i] + bases[i + 1]);
        }
        pairs[end - 1] = 0;
    }
};
static_assert(kBlock <= 65536);

struct FeatureHit {
    std::int32_t feature = 0;
    std::int32_t width = 0;
    std::int64_t position = 0;
    std::int32_t score = 0;
};

}  // namespace

struct Scanner::State {
    ScanModel model;
    Kernel kernel = Kernel::portable;
    std::vector<Lane> lanes;
    std::size_t widest = 0;

    /// Calls visit(lane, position, score) for every hit, position counted from the sequence's start. The
    /// order is by block, lane, position.
    template <typename Visit>
    void scan(std::string_view sequence, Visit const& visit) const {
        std::size_t start = 0;
        while (start < sequence.size()) {
            if (code_of(sequence[start]) == kOther) {
                ++start;
                continue;
            }
            std::size_t end = start + 1;
            while (end < sequence.size() && code_of(sequence[end]) != kOther) ++end;
            scan_run(sequence.substr(start, end - start), start, visit);
            start = end;
        }
    }

    template <typename Visit>
    void scan_run(std::string_view run, std::size_t origin, Visit const& visit) const {
        Block block;  // NOLINT(cppcoreguidelines-pro-type-member-init): encode() fills what is read
        for (std::size_t first = 0; first < run.size(); first += kBlock) {
            block.encode(run.substr(first, kBlock + kWidth));
            for (auto const& lane : lanes) {
                if (run.size() < first + lane.width) continue;
                std::size_t const starts = std::min(kBlock, run.size() - first - lane.width + 1);
                std::size_t const count =
                    lane.find(lane.tables, block.pairs.data(), starts, block.candidates.data());
                for (std::size_t c = 0; c < count; ++c) {
                    std::size_t const at = block.candidates[c];
                    std::int32_t const score = lane.score(block.bases.data() + at);
                    if (score < lane.threshold) continue;
                    visit(lane, static_cast<std::int64_t>(origin + first + at), score);
                }
            }
        }
    }

    void add_windows(std::vector<FeatureHit>& found, std::span<Region const> windows, float* out) const;
};

Scanner::Scanner(ScanModel model, Kernel kernel) : state_(std::make_unique<State>()) {
    model.check("the scan model");
    if (kernel == Kernel::automatic) {
        kernel = is_available(Kernel::avx512) ? Kernel::avx512
                 : is_available(Kernel::avx2) ? Kernel::avx2
                                              : Kernel::portable;
    }
    if (!is_available(kernel)) {
        fail_usage(std::string("scan: this machine has no ") + std::string(name_of(kernel)));
    }
    state_->kernel = kernel;
    state_->model = std::move(model);
    auto const& held = state_->model;
    auto cells = std::span<std::int32_t const>(held.matrices);
    for (std::size_t m = 0; m < held.motif_count(); ++m) {
        auto const width = static_cast<std::size_t>(held.widths[m]);
        state_->widest = std::max(state_->widest, width);
        for (char const strand : {'+', '-'}) {
            Lane lane;
            lane.motif = static_cast<std::int32_t>(m);
            lane.feature = held.features[m];
            lane.strand = strand;
            lane.threshold = held.thresholds[m];
            lane.width = width;
            lane.matrix.assign(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(4 * width));
            if (strand == '-') std::ranges::reverse(lane.matrix);  // positions, and A<->T, C<->G
            fill_tables(lane);
            lane.find = kernels::find_loop(kernel, lane.tables.pairs);
            state_->lanes.push_back(std::move(lane));
        }
        cells = cells.subspan(4 * width);
    }
}

Scanner::~Scanner() = default;
Scanner::Scanner(Scanner&&) noexcept = default;
Scanner& Scanner::operator=(Scanner&&) noexcept = default;

ScanModel const& Scanner::model() const noexcept {
    return state_->model;
}
Kernel Scanner::kernel() const noexcept {
    return state_->kernel;
}

void Scanner::features(std::string_view sequence, std::span<float> out) const {
    ensure(out.size() == feature_count(), "Scanner::features: out has a value a feature");
    std::ranges::fill(out, 0.0F);
    if (sequence.empty()) return;
    Region const whole{0, 0, static_cast<std::int64_t>(sequence.size())};
    features_of_windows(sequence, 0, {&whole, 1}, out);
}

void Scanner::features_of_windows(std::string_view piece, std::int64_t piece_start,
                                  std::span<Region const> windows, std::span<float> out) const {
    ensure(out.size() == windows.size() * feature_count(), "features_of_windows: out is windows x features");
    std::ranges::fill(out, 0.0F);
    auto const piece_end = piece_start + static_cast<std::int64_t>(piece.size());
    for (std::size_t w = 0; w < windows.size(); ++w) {
        ensure(windows[w].start >= piece_start && windows[w].start < windows[w].end &&
                   windows[w].end <= piece_end,
               "features_of_windows: windows lie inside the piece");
        ensure(
            w == 0 || (windows[w - 1].chrom == windows[w].chrom && windows[w - 1].start <= windows[w].start),
            "features_of_windows: windows are sorted, of one chromosome");
    }

    // Strips of windows bound the hits held at once. Where windows overlap, the bases of a strip's end are
    // scanned again by the next one: a strip covers many times its longest window, so that costs little.
    constexpr std::int64_t kLeastStrip = 1 << 16;
    constexpr std::int64_t kTimesLongest = 8;
    std::vector<FeatureHit> found;
    for (std::size_t first = 0; first < windows.size();) {
        found.clear();
        std::int64_t covered = 0;
        std::int64_t longest = 0;
        std::size_t last = first;
        auto const is_full = [&](std::int64_t bases) {
            return bases >= std::max(kLeastStrip, kTimesLongest * longest);
        };
        while (last < windows.size() && !is_full(covered)) {
            // The bases covered by windows that touch or overlap, each once.
            std::int64_t const start = windows[last].start;
            std::int64_t end = start;
            do {
                end = std::max(end, windows[last].end);
                longest = std::max(longest, windows[last].length());
                ++last;
            } while (last < windows.size() && windows[last].start <= end && !is_full(covered + end - start));
            auto const bases = piece.substr(static_cast<std::size_t>(start - piece_start),
                                            static_cast<std::size_t>(end - start));
            state_->scan(bases, [&](Lane const& lane, std::int64_t position, std::int32_t score) {
                if (score <= 0) return;  // counts as 0
                found.push_back(
                    {lane.feature, static_cast<std::int32_t>(lane.width), start + position, score});
            });
            covered += end - start;
        }
        state_->add_windows(found, windows.subspan(first, last - first),
                            out.data() + first * feature_count());
        first = last;
    }
}

void Scanner::State::add_windows(std::vector<FeatureHit>& found, std::span<Region const> windows,
                                 float* out) const {
    auto const key = [](FeatureHit const& hit) {
        return std::tuple(hit.feature, hit.position, hit.width, -hit.score);
    };
    std::ranges::sort(found, {}, key);
    // Of the hits of a feature at a position, a wider one matters only if it scores more: a window that ends
    // early takes the narrower. What stays rises in width and score.
    std::size_t kept = 0;
    for (auto const& hit : found) {
        if (kept > 0 && found[kept - 1].feature == hit.feature && found[kept - 1].position == hit.position &&
            found[kept - 1].score >= hit.score) {
            continue;
        }
        found[kept++] = hit;
    }
    found.resize(kept);

    for (std::size_t begin = 0; begin < found.size();) {
        auto const feature = static_cast<std::size_t>(found[begin].feature);
        std::size_t end = begin;
        while (end < found.size() && found[end].feature == found[begin].feature) ++end;
        std::size_t from = begin;
        for (std::size_t w = 0; w < windows.size(); ++w) {
            while (from < end && found[from].position < windows[w].start) ++from;
            if (from == end) break;
            std::int64_t sum = 0;
            std::int64_t position = -1;
            std::int32_t best = 0;  // at `position`, of the words inside the window
            for (std::size_t h = from; h < end && found[h].position < windows[w].end; ++h) {
                if (found[h].position + found[h].width > windows[w].end) continue;
                if (found[h].position != position) {
                    sum += best;
                    position = found[h].position;
                }
                best = found[h].score;
            }
            sum += best;
            out[w * model.feature_count() + feature] = static_cast<float>(static_cast<double>(sum) / 1000);
        }
        begin = end;
    }
}

std::vector<Hit> Scanner::hits(std::string_view sequence) const {
    std::vector<Hit> found;
    state_->scan(sequence, [&](Lane const& lane, std::int64_t position, std::int32_t score) {
        found.push_back({lane.motif, position, lane.strand, score});
    });
    std::ranges::sort(found);
    return found;
}

std::vector<std::int32_t> Scanner::best_scores(std::string_view sequence) const {
    std::vector<std::int32_t> best(state_->model.motif_count(), kNoWord);
    std::vector<std::uint8_t> bases(sequence.size());
    std::ranges::transform(sequence, bases.begin(), code_of);
    std::size_t valid = 0;  // length of the run of ACGT that ends at i
    for (std::size_t i = 0; i < bases.size(); ++i) {
        valid = bases[i] == kOther ? 0 : valid + 1;
        for (auto const& lane : state_->lanes) {
            if (valid < lane.width) continue;
            auto& value = best[static_cast<std::size_t>(lane.motif)];
            value = std::max(value, lane.score(bases.data() + (i + 1 - lane.width)));
        }
    }
    return best;
}

}  // namespace mpira::genome
