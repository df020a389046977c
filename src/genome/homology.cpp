#include "mpira/genome/homology.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::genome {
namespace {

/// Disjoint sets of numbers; the lowest of a set stands for it.
class Sets {
public:
    explicit Sets(std::uint32_t count) : parent_(count) {
        std::iota(parent_.begin(), parent_.end(), std::uint32_t{0});
    }
    std::uint32_t lowest(std::uint32_t of) {
        while (parent_[of] != of) of = parent_[of] = parent_[parent_[of]];
        return of;
    }
    void join(std::uint32_t a, std::uint32_t b) {
        a = lowest(a);
        b = lowest(b);
        parent_[std::max(a, b)] = std::min(a, b);
    }

private:
    std::vector<std::uint32_t> parent_;
};

/// Bases that one alignment has in each pair of bins.
class PairCounts {
public:
    PairCounts(Bins const& target, Bins const& query) : target_(target), query_(query) {}

    void add(Alignment const& alignment, AlignedPiece const& piece) {
        for (auto start = piece.target_start; start < piece.target_end;) {
            auto const bin = target_.at(alignment.target_chrom, start);
            auto const end = std::min(piece.target_end, target_.region(bin).end);
            auto from = opposite(alignment, piece, start);
            auto to = opposite(alignment, piece, end);
            if (alignment.reversed) std::swap(from, to);
            add_query(bin, alignment.query_chrom, from, to, end - start);
            start = end;
        }
    }
    [[nodiscard]] std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> const& counts() const {
        return counts_;
    }

private:
    // Where in the query the piece, drawn evenly, has this position of the target.
    static std::int64_t opposite(Alignment const& alignment, AlignedPiece const& piece, std::int64_t at) {
        auto const length = piece.target_end - piece.target_start;
        auto const query_length = piece.query_end - piece.query_start;
        auto const offset = at - piece.target_start;
        auto moved = offset == length ? query_length : offset;
        if (query_length != length && offset < length) {  // the product may not fit 64 bits
            moved = static_cast<std::int64_t>(static_cast<long double>(offset) /
                                              static_cast<long double>(length) *
                                              static_cast<long double>(query_length));
        }
        return alignment.reversed ? piece.query_end - moved : piece.query_start + moved;
    }

    void add_query(std::uint32_t target_bin, std::int32_t chrom, std::int64_t from, std::int64_t to,
                   std::int64_t target_bases) {
        auto const query_bases = to - from;
        while (from < to) {
            auto const bin = query_.at(chrom, from);
            auto const end = std::min(to, query_.region(bin).end);
            auto bases = end - from;
            if (query_bases > target_bases) {
                bases = static_cast<std::int64_t>(static_cast<long double>(bases) *
                                                  static_cast<long double>(target_bases) /
                                                  static_cast<long double>(query_bases));
            }
            counts_[{target_bin, bin}] += bases;
            from = end;
        }
    }

    Bins const& target_;
    Bins const& query_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> counts_;
};

}  // namespace

Bins::Bins(ChromSizes const& chroms, std::int64_t bin_bp)
    : lengths_(chroms.lengths().begin(), chroms.lengths().end()), first_{0}, bin_bp_(bin_bp) {
    ensure(bin_bp > 0, "bins of no length");
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    for (auto const length : lengths_) {
        auto const more = (length - 1) / bin_bp + 1;
        require(more <= kMost - first_.back(),
                fmt::format("bins of {} bp are too many for this genome; make them longer", bin_bp));
        first_.push_back(first_.back() + static_cast<std::uint32_t>(more));
    }
}

std::uint32_t Bins::at(std::int32_t chrom, std::int64_t position) const {
    return first_[static_cast<std::size_t>(chrom)] + static_cast<std::uint32_t>(position / bin_bp_);
}

Region Bins::region(std::uint32_t bin) const {
    auto const next = std::ranges::upper_bound(first_, bin);
    auto const chrom = next - first_.begin() - 1;
    auto const start = static_cast<std::int64_t>(bin - first_[static_cast<std::size_t>(chrom)]) * bin_bp_;
    auto const length = lengths_[static_cast<std::size_t>(chrom)];
    return {static_cast<std::int32_t>(chrom), start, length - start > bin_bp_ ? start + bin_bp_ : length};
}

std::string Homology::describe() const {
    return fmt::format("{}; {} bins joined into {} components by {} pairs, the largest has {} bins",
                       report.describe(), target.size() + query.size(), components, joined, largest);
}

Homology homologous_bins(std::filesystem::path const& alignments, ChromSizes const& target,
                         ChromSizes const* query, std::int64_t bin_bp, std::int64_t least_bp) {
    Bins const target_bins(target, bin_bp);
    Bins const query_bins(query == nullptr ? target : *query, bin_bp);
    auto const offset = query == nullptr ? 0U : target_bins.size();
    Sets sets(offset + query_bins.size());
    Homology homology;
    homology.report =
        read_alignments(alignments, target, query == nullptr ? target : *query, [&](Alignment const& one) {
            PairCounts pairs(target_bins, query_bins);
            for (auto const& piece : one.pieces) pairs.add(one, piece);
            for (auto const& [pair, bases] : pairs.counts()) {
                auto const other = offset + pair.second;
                if (bases < least_bp || other == pair.first) continue;
                sets.join(pair.first, other);
                ++homology.joined;
            }
        });
    std::vector<std::uint32_t> component(offset + query_bins.size());
    std::vector<std::uint32_t> bins;
    for (std::uint32_t bin = 0; bin < component.size(); ++bin) {
        auto const lowest = sets.lowest(bin);
        if (lowest == bin) {
            component[bin] = homology.components++;
            bins.push_back(0);
        } else {
            component[bin] = component[lowest];
        }
        homology.largest = std::max(homology.largest, ++bins[component[bin]]);
    }
    homology.target.assign(component.begin(), component.begin() + target_bins.size());
    if (query != nullptr) homology.query.assign(component.begin() + target_bins.size(), component.end());
    return homology;
}

}  // namespace mpira::genome
