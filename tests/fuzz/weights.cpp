// safetensors, and the model card in its metadata.
#include "mpira/model/weights.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        auto const file = fuzz::in_file(bytes, "fuzz.safetensors");
        (void)fuzz::read_or_refuse(
            [&] { (void)model::content_hash(model::SafetensorsFile(file).tensors()); });
        (void)model::Weights(file, model::WeightsKind::any);
    });
}
