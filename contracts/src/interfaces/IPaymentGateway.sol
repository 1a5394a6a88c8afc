// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {BatchResult} from "../libraries/Batches.sol";
import {Permit} from "../libraries/Permits.sol";

/// @title IPaymentGateway
/// @notice Takes ERC-20 payments from payers to merchants, once each, on exactly the terms that their id commits to, and
/// brings back what merchants refund of them.
interface IPaymentGateway {
    /// @notice What is to be paid. The EIP-712 digest of the terms is the payment id, so no id can be used with other terms.
    /// @param salt makes the id unique; chosen by whoever asks for the payment
    /// @param token the ERC-20 token
    /// @param amount in the token's smallest unit
    /// @param merchant who receives the tokens
    /// @param expiresAt unix seconds; the last second in which the payment can be made
    struct PaymentTerms {
        bytes32 salt;
        address token;
        uint256 amount;
        address merchant;
        uint48 expiresAt;
    }

    /// @notice A payment that its payer authorised by a signature and that anyone may bring to the chain.
    /// @param terms the terms of the payment
    /// @param payer whose tokens are taken and who signed: an externally owned account or an ERC-1271 contract
    /// @param deadline unix seconds; the last second in which the signature counts
    /// @param permit applied before the transfer, unless its deadline is 0
    /// @param signature of `PaymentAuthorization(bytes32 paymentId,address merchant,address token,uint256 amount,address payer,uint48 deadline)`
    /// under this contract's EIP-712 domain
    struct PaymentExecution {
        PaymentTerms terms;
        address payer;
        uint48 deadline;
        Permit permit;
        bytes signature;
    }

    /// @notice A refund that the merchant of a payment authorised by a signature and that anyone may bring to the chain.
    /// @param terms the terms of the payment
    /// @param amount in the token's smallest unit; all refunds of a payment together are at most what was paid
    /// @param nonce any number that no refund of this payment has used: each executes once, in any order
    /// @param deadline unix seconds; the last second in which the signature counts
    /// @param permit of the merchant for this contract, applied before the transfer, unless its deadline is 0
    /// @param signature of `RefundAuthorization(bytes32 paymentId,uint256 amount,uint256 nonce,uint48 deadline)` under this
    /// contract's EIP-712 domain, by the merchant: an externally owned account or an ERC-1271 contract
    struct RefundExecution {
        PaymentTerms terms;
        uint256 amount;
        uint256 nonce;
        uint48 deadline;
        Permit permit;
        bytes signature;
    }

    /// @notice `amount` of `token` went from `payer` to `merchant`. Emitted once a payment id, and only then.
    event PaymentProcessed(
        bytes32 indexed paymentId,
        address indexed payer,
        address indexed merchant,
        address token,
        uint256 amount
    );

    /// @notice An item of a batch was not executed. Nothing about it was recorded: the payment can still be made.
    /// @dev Anyone can send a batch with a wrong signature for known terms, so this says something about that one
    /// transaction only, never about the payment.
    /// @param paymentId the id of the item's terms
    /// @param reason the first bytes (at most 256) of the revert data; empty when the item ran out of gas or its token
    /// gave no reason
    event PaymentRejected(bytes32 indexed paymentId, bytes reason);

    /// @notice `amount` of `token` went back from `merchant` to the `payer` of the payment. Emitted once a payment id and
    /// nonce, and only then.
    event RefundProcessed(
        bytes32 indexed paymentId,
        address indexed merchant,
        address indexed payer,
        address token,
        uint256 amount,
        uint256 nonce
    );

    /// @notice A refund of a batch was not executed. Nothing about it was recorded: it can still be made.
    /// @dev Like `PaymentRejected`, this says something about that one transaction only.
    /// @param paymentId the id of the item's terms
    /// @param nonce the item's
    /// @param reason as in `PaymentRejected`
    event RefundRejected(bytes32 indexed paymentId, uint256 nonce, bytes reason);

    /// @notice The payment was made before, by `payer`.
    error PaymentAlreadyProcessed(bytes32 paymentId, address payer);

    /// @notice The terms allowed the payment until `expiresAt`; it is `timestamp` now.
    error PaymentExpired(bytes32 paymentId, uint48 expiresAt, uint256 timestamp);

    /// @notice The payer's authorisation counted until `deadline`; it is `timestamp` now.
    error AuthorizationExpired(bytes32 paymentId, uint48 deadline, uint256 timestamp);

    /// @notice The signature is not one of `payer` for this payment on this contract and chain.
    error InvalidAuthorization(bytes32 paymentId, address payer);

    /// @notice The token is the zero address.
    error InvalidToken(address token);

    /// @notice The amount is zero.
    error InvalidAmount(uint256 amount);

    /// @notice The merchant is the zero address or the gateway itself, where the tokens would be lost.
    error InvalidMerchant(address merchant);

    /// @notice A payment to oneself moves nothing, so it must not count as paid.
    error PayerIsMerchant(address payer);

    /// @notice The trusted forwarder given at construction is not a contract.
    error InvalidForwarder(address forwarder);

    /// @notice No payment was made on these terms, so there is nothing to refund.
    error PaymentNotProcessed(bytes32 paymentId);

    /// @notice The merchant's authorisation counted until `deadline`; it is `timestamp` now.
    error RefundExpired(bytes32 paymentId, uint256 nonce, uint48 deadline, uint256 timestamp);

    /// @notice A refund of the payment with this nonce was made before.
    error RefundNonceUsed(bytes32 paymentId, uint256 nonce);

    /// @notice Of the `paid` amount, `refunded` went back before, and `requested` is more than the rest.
    error RefundExceedsPayment(bytes32 paymentId, uint256 requested, uint256 refunded, uint256 paid);

    /// @notice The signature is not one of `merchant` for this refund on this contract and chain.
    error InvalidRefundAuthorization(bytes32 paymentId, uint256 nonce, address merchant);

    /// @notice The function is for the gateway itself.
    error OnlySelf(address caller);

    /// @notice The payer (the sender, or the signer when called through the trusted forwarder) pays.
    /// Needs an allowance of the payer to this contract.
    function pay(PaymentTerms calldata terms) external;

    /// @notice Like `pay`, but applies an EIP-2612 permit of the payer first. A permit that was applied before, by
    /// anyone, does no harm; nor does a wrong one if the allowance is there.
    function payWithPermit(PaymentTerms calldata terms, Permit calldata permit) external;

    /// @notice Makes the payment that `execution.payer` authorised. Anyone may call; reverts with the reason.
    function executePayment(PaymentExecution calldata execution) external;

    /// @notice Makes many authorised payments. Each stands alone: one that fails emits `PaymentRejected` and changes nothing.
    /// @dev Every item gets its own `BATCH_ITEM_GAS` or the batch reverts with `BatchGasTooLow`, so an item is never
    /// rejected for the sender's thrift, and a gas estimate finds a limit under which all run. Add `BATCH_ITEM_GAS` to the
    /// estimate for each item that may turn hostile between estimate and execution; what is not used is not paid.
    /// @return results what became of each item, in order
    function executePayments(PaymentExecution[] calldata executions) external returns (BatchResult[] memory results);

    /// @notice Makes the refund that the merchant of `execution.terms` authorised: tokens go from the merchant to whoever
    /// made the payment, however long ago. Anyone may call; reverts with the reason.
    /// Needs an allowance of the merchant to this contract.
    function executeRefund(RefundExecution calldata execution) external;

    /// @notice Makes many authorised refunds. Each stands alone: one that fails emits `RefundRejected` and changes nothing.
    /// @dev Gas is as in `executePayments`.
    /// @return results what became of each item, in order
    function executeRefunds(RefundExecution[] calldata executions) external returns (BatchResult[] memory results);

    /// @notice The payment id of the terms: their EIP-712 digest under this contract's domain.
    function paymentIdOf(PaymentTerms calldata terms) external view returns (bytes32 paymentId);

    /// @notice Whether the payment was made.
    function processedPayments(bytes32 paymentId) external view returns (bool processed);

    /// @notice Who made the payment, or the zero address while it is unpaid.
    function payerOf(bytes32 paymentId) external view returns (address payer);

    /// @notice How much of the payment went back to its payer, in the token's smallest unit.
    function refundedAmount(bytes32 paymentId) external view returns (uint256 amount);

    /// @notice Whether a refund of the payment was made with this nonce.
    function isRefundNonceUsed(bytes32 paymentId, uint256 nonce) external view returns (bool used);
}
