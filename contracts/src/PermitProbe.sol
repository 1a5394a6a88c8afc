// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Batches} from "./libraries/Batches.sol";
import {Permit} from "./libraries/Permits.sol";

/// @notice What a token's permit does. An allowance decides, not the answer of the call: a token without a permit may have
/// a fallback that takes any call.
/// @param asKey a permit of the given owner, which its key has signed, sets the allowance
/// @param reason the first bytes of the token's revert data where it does not
/// @param asContract so does a permit of a contract that says yes to every signature (ERC-1271)
struct PermitFindings {
    bool asKey;
    bytes reason;
    bool asContract;
}

/// @title PermitProbe
/// @notice Tries a token's permit out. It is never deployed: an `eth_call` that would create it answers with the findings,
/// encoded as `PermitFindings`, in place of its code, and nothing of what it did stays.
contract PermitProbe {
    /// @dev As much as the forwarder gives a permit in a batch.
    uint256 private constant PERMIT_GAS = 150_000;

    /// @param owner an account without code, whose key has signed `permit` for `spender`
    constructor(address token, address spender, address owner, Permit memory permit) {
        PermitFindings memory findings;
        (findings.asKey, findings.reason) = _try(token, spender, owner, permit);
        (findings.asContract, ) = _try(token, spender, address(new AgreeableWallet()), permit);
        bytes memory answer = abi.encode(findings);
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    function _try(
        address token,
        address spender,
        address owner,
        Permit memory permit
    ) private returns (bool works, bytes memory reason) {
        bytes memory data = abi.encodeCall(
            IERC20Permit.permit,
            (owner, spender, permit.value, permit.deadline, permit.v, permit.r, permit.s)
        );
        bool taken;
        assembly ("memory-safe") {
            taken := call(PERMIT_GAS, token, 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
        if (!taken) return (false, Batches.boundedReturnData());
        bytes memory question = abi.encodeCall(IERC20.allowance, (owner, spender));
        uint256 allowance;
        assembly ("memory-safe") {
            let answered := staticcall(PERMIT_GAS, token, add(question, 0x20), mload(question), 0x00, 0x20)
            if and(answered, gt(returndatasize(), 0x1f)) {
                allowance := mload(0x00)
            }
        }
        works = allowance >= permit.value;
    }
}

/// @notice A contract account that says yes to every signature; it exists within a probe only.
contract AgreeableWallet is IERC1271 {
    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4 magicValue) {
        return IERC1271.isValidSignature.selector;
    }
}
