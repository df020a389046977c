// What an assay measured, and segmentations of a genome; the first byte chooses which.
#include <array>
#include <cmath>
#include <filesystem>

#include "mpira/genome/measured_activity.hpp"
#include "mpira/genome/segmentation.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        if (bytes.empty()) return;
        if (bytes[0] % 2 == 1) {
            genome::Segmentation const segmentation(fuzz::in_file(bytes.subspan(1), "fuzz.bed"));
            ensure(!segmentation.states().empty(), "a segmentation without states");
            static_cast<void>(segmentation.state_of("chr1", 100, 300));
            return;
        }
        std::array<std::filesystem::path, 1> const files{fuzz::in_file(bytes.subspan(1), "fuzz.tsv")};
        auto const measured = genome::read_activity(files, {});
        ensure(measured.values.size() == measured.elements.size() * measured.replicates.size(),
               "values of another shape");
        for (double const value : measured.values) ensure(!std::isinf(value), "an infinite activity");
    });
}
