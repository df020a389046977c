// An atlas whose values were damaged.
#include "mpira/atlas/atlas.hpp"

#include <nlohmann/json.hpp>

#include "atlas/draft.hpp"
#include "fuzz/hostile.hpp"
#include "fuzz/raw_data.hpp"

namespace {

using namespace mpira;

struct Pristine {
    test::ScratchFolder folder;
    std::filesystem::path file = folder.path() / "fuzz.h5ad";
    std::string bytes;
    std::vector<fuzz::Extent> extents;

    Pristine() {
        atlas::Draft().write(file);
        bytes = fuzz::whole(file);
        extents = fuzz::raw_extents(file);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static Pristine const pristine;
    fuzz::write_damaged(pristine.bytes, pristine.extents, {data, size}, pristine.file);
    return fuzz::read_or_refuse([] {
        auto const read = atlas::Atlas::open(pristine.file);
        (void)read.region_names();
        for (auto const& set : read.scale_sets()) (void)read.scale(set);
        for (auto const& cell_type : read.cell_types()) (void)read.accessible_rows(cell_type);
    });
}
