// Fold files: what is read is written and read again.
#include "mpira/train/fold_file.hpp"

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        auto const fold = train::read_fold_file(fuzz::in_file(bytes, "fuzz.json"));
        auto const text = train::fold_file_text(fold, nullptr);
        std::vector<std::uint8_t> const copy(text.begin(), text.end());
        auto const again = train::read_fold_file(fuzz::in_file(copy, "copy.json"));
        ensure(again.test == fold.test && again.train == fold.train &&
                   again.train_cell_types == fold.train_cell_types && again.margin_bp == fold.margin_bp,
               "another fold than was written");
    });
}
