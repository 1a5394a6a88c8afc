// Generated from contracts/src/test/TestWallet.sol by contracts/build.ts. Do not edit.
export const testWalletAbi = [
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner_",
        "type": "address"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "hash",
        "type": "bytes32"
      },
      {
        "internalType": "bytes",
        "name": "signature",
        "type": "bytes"
      }
    ],
    "name": "isValidSignature",
    "outputs": [
      {
        "internalType": "bytes4",
        "name": "",
        "type": "bytes4"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "mode",
    "outputs": [
      {
        "internalType": "enum TestWallet.Mode",
        "name": "",
        "type": "uint8"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "owner",
    "outputs": [
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "target",
        "type": "address"
      },
      {
        "internalType": "bytes",
        "name": "data",
        "type": "bytes"
      }
    ],
    "name": "perform",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "enum TestWallet.Mode",
        "name": "mode_",
        "type": "uint8"
      }
    ],
    "name": "setMode",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "hash",
        "type": "bytes32"
      }
    ],
    "name": "signOnChain",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "hash",
        "type": "bytes32"
      }
    ],
    "name": "signedOnChain",
    "outputs": [
      {
        "internalType": "bool",
        "name": "isSigned",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  }
] as const;

export const testWalletBytecode = '0x60a034606d57601f61085d38819003918201601f19168301916001600160401b03831184841017607157808492602094604052833981010312606d57516001600160a01b0381168103606d576080526040516107d79081610086823960805181818161028601526105860152f35b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c80631626ba7e146103f157806321175b4a14610387578063295a52121461031457806388f33cf1146102aa5780638da5cb5b1461023c57806395d8a863146101ef5763ea1651b314610066575f80fd5b346101eb5760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb5760043573ffffffffffffffffffffffffffffffffffffffff811681036101eb5760243567ffffffffffffffff81116101eb575f91826100d981933690600401610478565b9190826040519384928337810182815203925af13d156101e6573d67ffffffffffffffff81116101b957604051907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0603f81601f8401160116820182811067ffffffffffffffff8211176101b95760405281525f60203d92013e5b1561015b57005b60646040517f08c379a000000000000000000000000000000000000000000000000000000000815260206004820152600b60248201527f63616c6c206661696c65640000000000000000000000000000000000000000006044820152fd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b610154565b5f80fd5b346101eb5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb576004355f526001602052602060ff60405f2054166040519015158152f35b346101eb575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb57602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101eb5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb576004355f52600160205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008254161790555f80f35b346101eb575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb5760ff5f5416604051600682101561035a576020918152f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b346101eb5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb5760043560068110156101eb5760ff7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff005f54169116175f555f80f35b346101eb5760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101eb5760243567ffffffffffffffff81116101eb5761044e6104456020923690600401610478565b906004356104a6565b7fffffffff0000000000000000000000000000000000000000000000000000000060405191168152f35b9181601f840112156101eb5782359167ffffffffffffffff83116101eb57602083818601950101116101eb57565b919060ff5f5416600681101561035a57600281146106ab57600481149283610645575b5f9260038314801561062e575b61062c578115848161061e575b506105e057906104f591849596610709565b5092909361035a5781159485156105d6575b5084156105c3575b5050826105af575b508161056c575b5015610548577f1626ba7e0000000000000000000000000000000000000000000000000000000090565b7fffffffff0000000000000000000000000000000000000000000000000000000090565b905073ffffffffffffffffffffffffffffffffffffffff807f0000000000000000000000000000000000000000000000000000000000000000169116145f61051e565b909150600481101561035a5715905f610517565b9091935061035a57600514915f8061050f565b9450505f5f610507565b50505050505f52600160205260ff60405f2054165f14610548577f1626ba7e0000000000000000000000000000000000000000000000000000000090565b905061035a578215846104e3565bfe5b505f93506005831480156104d657503a15156104d6565b5a7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0bdc0810190811161067e575b805a1161067157506104c9565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b60646040517f08c379a000000000000000000000000000000000000000000000000000000000815260206004820152601060248201527f77616c6c657420697320636c6f736564000000000000000000000000000000006044820152fd5b90604183036107335761072c9250602081013591604082359201355f1a9061073d565b9192909190565b50505f9160029190565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a084116107cc579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156107c1575f5173ffffffffffffffffffffffffffffffffffffffff8116156107b757905f905f90565b505f906001905f90565b6040513d5f823e3d90fd5b5050505f916003919056' as const;
