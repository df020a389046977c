// An array of a zarr store: .zarray, a byte 0, and what lies in each of its chunks.
#include <fstream>

#include "mpira/store/zarr_reader.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    static test::ScratchFolder const folder;
    auto const text = fuzz::text_of({data, size});
    auto const cut = text.find('\0');
    auto const array = folder.path() / "array";
    std::filesystem::create_directories(array);
    auto const write = [](std::filesystem::path const& file, std::string_view content) {
        std::ofstream(file, std::ios::binary) << content;
    };
    write(folder.path() / ".zgroup", "{}");
    write(array / ".zarray", text.substr(0, cut));
    for (auto const* const chunk : {"0", "0.0", "1"})
        write(array / chunk, cut == std::string_view::npos ? std::string_view() : text.substr(cut + 1));
    return fuzz::read_or_refuse([&] {
        store::ZarrReader const zarr(folder.path());
        auto const shape = zarr.shape("array");
        constexpr std::uint64_t kFew = 4096;  // a caller knows what shape it wants
        if (shape[0] > kFew || (shape.size() > 1 && shape[1] > kFew)) return;
        try {
            (void)zarr.strings("array");
        } catch (Error const& error) {
            if (error.origin() != Origin::usage) throw;
            (void)zarr.floats("array", shape[0] / 2, shape[0] - shape[0] / 2);
        }
    });
}
