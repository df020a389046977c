// A result file whose values were damaged: status, verify, and opening it to go on.
#include "mpira/store/result_file.hpp"

#include "mpira/store/inspect.hpp"

#include "fuzz/hostile.hpp"
#include "fuzz/raw_data.hpp"
#include "store/sample.hpp"

namespace {

using namespace mpira;

struct Pristine {
    test::ScratchFolder folder;
    store::ResultLayout layout = store::sample::layout();
    std::filesystem::path file = folder.path() / "fuzz.h5ad";
    std::string bytes;
    std::vector<fuzz::Extent> extents;

    Pristine() {
        store::ResultFile::create(file, layout, store::sample::tables(layout));
        {
            auto result = store::ResultFile::open(file, layout);
            store::sample::commit_units(result, layout, {0, 1, 2, 4});
        }
        bytes = fuzz::whole(file);
        extents = fuzz::raw_extents(file);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static Pristine const pristine;
    fuzz::write_damaged(pristine.bytes, pristine.extents, {data, size}, pristine.file);
    fuzz::read_or_refuse([] { (void)store::status(pristine.file); });
    fuzz::read_or_refuse([] { (void)store::verify(pristine.file); });
    return fuzz::read_or_refuse([] {
        auto result = store::ResultFile::open(pristine.file, pristine.layout);
        result.reload_states();
    });
}
