#include "mpira/schedule/attendant.hpp"

#include <utility>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/in_flight.hpp"

#include "schedule/last_words.hpp"

namespace mpira::schedule {

struct Attendant::Noting {
    Noting(std::filesystem::path const& result, int slot) : flight(result, slot, comm::host_name()) {}
    store::FlightSlot flight;
    LastWords last_words{flight};
};

Attendant::Attendant(std::filesystem::path result, int ranks, int number)
    : result_(std::move(result)), slot_(ranks + number) {}

Attendant::~Attendant() {
    if (noting_) noting_->flight.note(probe_.unwinding() ? store::EndKind::threw : store::EndKind::left);
}

void Attendant::begin(std::uint64_t unit) {
    if (!std::exchange(tried_, true)) {
        // Not before: rank 0 of the campaign has made the record when the first unit comes.
        try {
            noting_ = std::make_unique<Noting>(result_, slot_);
        } catch (Error const& error) {
            log::warning("{}: should this process die, nobody knows in which unit", error.what());
        }
    }
    if (noting_) noting_->flight.begin(unit, false);
}

void Attendant::end() {
    if (noting_) noting_->flight.end();
}

void Attendant::leave() {
    if (noting_) noting_->flight.note(store::EndKind::left);
    noting_.reset();
}

}  // namespace mpira::schedule
