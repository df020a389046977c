#include "mpira/comm/communicator.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "mpira/base/error.hpp"

namespace mpira::comm {
namespace {

template <typename T>
void sum_in_pieces(MPI_Comm comm, MPI_Datatype type, std::span<T> values) {
    // MPI counts are int: a longer buffer goes in pieces instead of wrapping to a negative count.
    constexpr std::size_t kPiece = std::size_t{1} << 30;
    for (std::size_t done = 0; done < values.size(); done += kPiece) {
        auto const piece = values.subspan(done, std::min(kPiece, values.size() - done));
        check(MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), type, MPI_SUM, comm),
              "MPI_Allreduce");
    }
}

}  // namespace

void check(int code, std::string_view call, std::source_location where) {
    if (code == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(code, text.data(), &length);
    throw Error(Origin::mpi,
                std::string(call) + ": " + std::string(text.data(), static_cast<std::size_t>(length)), where);
}

Communicator::Communicator(MPI_Comm owned) : handle_(owned) {
    // The default handler kills the job before check() can say anything; ask for return codes.
    check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator Communicator::world() {
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
    return Communicator(copy);
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
    if (this != &other) {
        release();
        handle_ = std::exchange(other.handle_, MPI_COMM_NULL);
        rank_ = other.rank_;
        size_ = other.size_;
    }
    return *this;
}

Communicator::~Communicator() {
    release();
}

void Communicator::release() noexcept {
    if (handle_ == MPI_COMM_NULL) return;
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0 && !probe_.unwinding()) MPI_Comm_free(&handle_);
    handle_ = MPI_COMM_NULL;
}

Communicator Communicator::split(int color, int key) const {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(handle_, color, key, &part), "MPI_Comm_split");
    return Communicator(part);
}

Communicator Communicator::on_this_node() const {
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
          "MPI_Comm_split_type");
    return Communicator(node);
}

void Communicator::barrier() const {
    check(MPI_Barrier(handle_), "MPI_Barrier");
}

void Communicator::all_sum(std::span<float> values) const {
    sum_in_pieces(handle_, MPI_FLOAT, values);
}
void Communicator::all_sum(std::span<double> values) const {
    sum_in_pieces(handle_, MPI_DOUBLE, values);
}
void Communicator::all_sum(std::span<std::int64_t> values) const {
    sum_in_pieces(handle_, MPI_INT64_T, values);
}

bool Communicator::all_agree(bool mine) const {
    int verdict = mine ? 1 : 0;
    check(MPI_Allreduce(MPI_IN_PLACE, &verdict, 1, MPI_INT, MPI_LAND, handle_), "MPI_Allreduce");
    return verdict == 1;
}

void require_everywhere(Communicator const& comm, bool holds, std::string_view message,
                        std::source_location where) {
    if (comm.all_agree(holds)) return;
    throw Error(Origin::usage, std::string(message) + (holds ? " [on another rank]" : " [on this rank]"),
                where);
}

}  // namespace mpira::comm
