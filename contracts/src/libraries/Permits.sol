// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @notice An EIP-2612 signature of a token owner that lets a spender take up to `value`.
/// @param value the allowance that was signed, in the token's smallest unit
/// @param deadline unix seconds after which the token refuses the permit
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @title Permits
/// @notice Applies a permit that may have been applied already.
library Permits {
    /// @notice Hands `permit` to `token` and goes on whatever the token answers.
    /// @dev A permit is public once it is in the mempool, so anyone can apply it first and make a second `permit`
    /// revert. That must not stop a payment: the allowance is then there all the same, and where it is not, the
    /// transfer that follows says so. The answer is never copied to memory, and an address without code is no error
    /// here. The selector is fixed, so this can call nothing but `permit`.
    /// @param token the token contract
    /// @param owner who signed the permit
    /// @param spender who may take the tokens
    /// @param permit the signed permit
    function tryPermit(address token, address owner, address spender, Permit calldata permit) internal {
        tryPermitWithGas(token, owner, spender, permit, gasleft());
    }

    /// @notice `tryPermit` with at most `gasLimit`. Whether that much is left is for the caller to see to.
    function tryPermitWithGas(
        address token,
        address owner,
        address spender,
        Permit calldata permit,
        uint256 gasLimit
    ) internal {
        bytes memory data = abi.encodeCall(
            IERC20Permit.permit,
            (owner, spender, permit.value, permit.deadline, permit.v, permit.r, permit.s)
        );
        assembly ("memory-safe") {
            pop(call(gasLimit, token, 0, add(data, 0x20), mload(data), 0x00, 0x00))
        }
    }
}
