// Journal rows and error slots.
#include "mpira/store/journal.hpp"

#include <algorithm>
#include <span>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        auto const row = std::as_bytes(bytes).first(std::min(bytes.size(), store::kJournalRowBytes));
        if (row.size() == store::kJournalRowBytes) {
            if (auto const read = store::decode(row, 7); read && read->state != store::UnitState::open)
                ensure(store::decode(store::encode(*read), 7).has_value(), "a row read is no row written");
        }
        auto const slot = std::as_bytes(bytes).first(std::min(bytes.size(), store::kErrorSlotBytes));
        if (slot.size() == store::kErrorSlotBytes) (void)store::decode_error(slot, 7);
    });
}
