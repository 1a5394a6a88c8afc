// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice What became of one item of a batch, for whoever simulates the batch; a transaction shows it in events.
/// @param success whether the item was executed
/// @param reason the first bytes (at most 256) of the revert data; empty on success, and when the item ran out of gas or
/// gave no reason
struct BatchResult {
    bool success;
    bytes reason;
}

/// @title Batches
/// @notice What the items of a batch need to stand alone: full gas or none, and failures that cost the batch little.
library Batches {
    /// @notice The most of an item's revert data that is copied, logged and returned.
    uint256 internal constant MAX_REASON_BYTES = 256;

    /// @notice Too little gas is left for item `index` to be given its full gas: the whole batch is reverted, rather
    /// than an item be rejected that did nothing wrong.
    error BatchGasTooLow(uint256 index, uint256 available, uint256 required);

    /// @notice Reverts the batch unless item `index` can be given its gas.
    /// @dev The EVM would quietly give less to a call, and an item without fault would be rejected (by a sender who wants
    /// that, or by a gas estimate that looks for the smallest limit under which the transaction succeeds).
    function requireGas(uint256 index, uint256 required) internal view {
        uint256 available = gasleft();
        if (available < required) revert BatchGasTooLow(index, available, required);
    }

    /// @notice The answer to the last call, cut to `MAX_REASON_BYTES` so that a huge one costs the batch nothing.
    /// @dev Any other call overwrites it, so take it right after the one that failed.
    function boundedReturnData() internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, MAX_REASON_BYTES) {
                size := MAX_REASON_BYTES
            }
            data := mload(0x40)
            mstore(data, size)
            returndatacopy(add(data, 0x20), 0x00, size)
            mstore(0x40, add(data, and(add(size, 0x3f), not(0x1f))))
        }
    }
}
