#include "mpira/genome/bigwig.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

#include <bigWig.h>
#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

namespace mpira::genome {
namespace {

struct CloseBigWig {
    void operator()(bigWigFile_t* file) const { bwClose(file); }
};
using Handle = std::unique_ptr<bigWigFile_t, CloseBigWig>;

struct FreeIntervals {
    void operator()(bwOverlappingIntervals_t* found) const { bwDestroyOverlappingIntervals(found); }
};

/// Its first four bytes, in either order. libBigWig would write its complaint to stderr.
bool has_magic(std::filesystem::path const& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail_usage(fmt::format("{}: {}", path.string(), std::strerror(errno)));
    constexpr std::array<unsigned char, 4> kLittle{0x26, 0xFC, 0x8F, 0x88};
    std::array<char, 4> found{};
    file.read(found.data(), found.size());
    auto const same = [](unsigned char a, char b) { return a == static_cast<unsigned char>(b); };
    return std::ranges::equal(kLittle, found, same) ||
           std::equal(kLittle.rbegin(), kLittle.rend(), found.begin(), same);
}

}  // namespace

struct BigWig::State {
    std::filesystem::path file;
    Handle handle;
    std::vector<std::string> chroms;
    [[noreturn]] void refuse(std::string_view what) const {
        fail_usage(fmt::format("{}: {}", file.string(), what));
    }
};

BigWig::BigWig(std::filesystem::path const& file) : state_(std::make_unique<State>()) {
    state_->file = file;
    if (std::filesystem::is_directory(file)) state_->refuse("is a folder, not a file");
    if (!has_magic(file)) state_->refuse("is no bigWig");
    state_->handle.reset(bwOpen(file.c_str(), nullptr, "r"));
    if (!state_->handle || state_->handle->hdr == nullptr || state_->handle->cl == nullptr)
        state_->refuse("damaged: its header can't be read");
    auto const& list = *state_->handle->cl;
    for (std::int64_t i = 0; i < list.nKeys; ++i) {
        if (list.chrom[i] == nullptr) state_->refuse("damaged: its chromosomes can't be read");
        state_->chroms.emplace_back(list.chrom[i]);
    }
}
BigWig::BigWig(BigWig&&) noexcept = default;
BigWig& BigWig::operator=(BigWig&&) noexcept = default;
BigWig::~BigWig() = default;

std::filesystem::path const& BigWig::file() const noexcept {
    return state_->file;
}
std::vector<std::string> const& BigWig::chroms() const noexcept {
    return state_->chroms;
}
std::int64_t BigWig::length(std::string const& chrom) const {
    auto const at = std::ranges::find(state_->chroms, chrom);
    return at == state_->chroms.end() ? 0 : state_->handle->cl->len[at - state_->chroms.begin()];
}
std::uint64_t BigWig::covered_bases() const noexcept {
    return state_->handle->hdr->nBasesCovered;
}
double BigWig::total() const noexcept {
    return state_->handle->hdr->sumData;
}

double BigWig::sum(std::string const& chrom, std::int64_t start, std::int64_t end) {
    end = std::min(end, length(chrom));
    if (start >= end) return 0;
    auto const from = static_cast<std::uint32_t>(start);
    auto const to = static_cast<std::uint32_t>(end);
    std::unique_ptr<bwOverlappingIntervals_t, FreeIntervals> const found(
        bwGetOverlappingIntervals(state_->handle.get(), chrom.c_str(), from, to));
    if (!found) state_->refuse(fmt::format("damaged: {}:{}-{} can't be read", chrom, start, end));
    double sum = 0;
    for (std::uint32_t i = 0; i < found->l; ++i) {
        auto const first = std::max(found->start[i], from);
        auto const last = std::min(found->end[i], to);
        if (last > first && std::isfinite(found->value[i]))
            sum += double{found->value[i]} * static_cast<double>(last - first);
    }
    return sum;
}

std::string BigWig::content_hash() const {
    auto const& header = *state_->handle->hdr;
    ContentHash hash;
    hash.add("bigwig").add(fmt::format("{}", std::filesystem::file_size(state_->file)));
    for (auto const& chrom : state_->chroms) hash.add(chrom);
    hash.add(fmt::format("{} {} {} {} {}", header.nBasesCovered, header.minVal, header.maxVal, header.sumData,
                         header.sumSquared));
    return hash.hex();
}

void write_bigwig(std::filesystem::path const& file, ChromSizes const& chroms,
                  std::span<SignalInterval const> intervals) {
    constexpr std::int32_t kZoomLevels = 10;  // as UCSC's own programs
    constexpr std::size_t kAtOnce = 1 << 16;
    auto const check = [&](int code) {
        if (code != 0)
            throw Error(Origin::system, fmt::format("{}: can't be written as bigWig", file.string()));
    };
    std::vector<char const*> names;
    std::vector<std::uint32_t> lengths;
    for (std::size_t i = 0; i < chroms.size(); ++i) {
        require(chroms.lengths()[i] <= std::numeric_limits<std::uint32_t>::max(),
                fmt::format("chromosome '{}' is too long for a bigWig", chroms.names()[i]));
        names.push_back(chroms.names()[i].c_str());
        lengths.push_back(static_cast<std::uint32_t>(chroms.lengths()[i]));
    }
    std::uint64_t covered = 0;
    {
        Handle const out(bwOpen(file.c_str(), nullptr, "w"));
        check(out ? 0 : 1);
        check(bwCreateHdr(out.get(), kZoomLevels));
        out->cl = bwCreateChromList(names.data(), lengths.data(), static_cast<std::int64_t>(names.size()));
        check(out->cl != nullptr ? 0 : 1);
        check(bwWriteHdr(out.get()));
        std::vector<char const*> chrom;
        std::vector<std::uint32_t> start;
        std::vector<std::uint32_t> end;
        std::vector<float> value;
        for (std::size_t first = 0; first < intervals.size(); first += kAtOnce) {
            auto const piece = intervals.subspan(first, std::min(kAtOnce, intervals.size() - first));
            chrom.clear(), start.clear(), end.clear(), value.clear();
            for (auto const& one : piece) {
                chrom.push_back(names[static_cast<std::size_t>(one.chrom)]);
                start.push_back(static_cast<std::uint32_t>(one.start));
                end.push_back(static_cast<std::uint32_t>(one.end));
                value.push_back(one.value);
                covered += static_cast<std::uint64_t>(one.end - one.start);
            }
            check(bwAddIntervals(out.get(), chrom.data(), start.data(), end.data(), value.data(),
                                 static_cast<std::uint32_t>(piece.size())));
        }
    }
    // Closing writes the index and tells no error: what is read back is what is there.
    check(BigWig(file).covered_bases() == covered ? 0 : 1);
}

}  // namespace mpira::genome
