// RESULT.flight, what a run that died leaves. The first byte chooses whether checksums are put right: past a
// checksum that fails no byte is looked at.
#include <algorithm>
#include <cstring>
#include <vector>

#include "mpira/base/checksum.hpp"
#include "mpira/store/in_flight.hpp"

#include "fuzz/hostile.hpp"

namespace {

/// Of the header (128 bytes) and of each part of a slot (64): magic, crc of what follows both, the rest.
void put_checksums_right(std::vector<std::uint8_t>& file) {
    for (std::size_t at = 0, size = 128; at + size <= file.size(); at += size, size = 64) {
        auto const part = std::as_bytes(std::span(file)).subspan(at, size);
        auto const crc = mpira::crc32(part.subspan(8));
        std::memcpy(file.data() + at + 4, &crc, sizeof crc);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        if (bytes.empty()) return;
        std::vector<std::uint8_t> file(bytes.begin() + 1, bytes.end());
        if (bytes[0] % 2 == 1) put_checksums_right(file);
        auto path = fuzz::in_file(file, "fuzz.h5ad.flight");
        auto const report = store::read_flight(path.replace_extension());  // fuzz.h5ad
        if (!report) return;
        auto const blamed = store::judge(*report);
        ensure(std::is_sorted(blamed.suspects.begin(), blamed.suspects.end()), "suspects out of order");
        for (std::size_t rank = 0; rank < report->ranks.size(); ++rank)
            (void)store::how_it_ended(rank, report->ranks[rank]);
    });
}
